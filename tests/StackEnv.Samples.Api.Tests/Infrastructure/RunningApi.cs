using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace StackEnv.Samples.Api.Tests.Infrastructure;

/// <summary>The sample's own host, on Kestrel and a free port, with the teams of its development settings.</summary>
public sealed class RunningApi : IAsyncDisposable
{
    public const string AcmeToken = "acme-dev-token";
    public const string GlobexToken = "globex-dev-token";

    private readonly WebApplication _app;
    private readonly SocketsHttpHandler _handler = new();

    private RunningApi(WebApplication app)
    {
        _app = app;
        Acme = ClientWith(AcmeToken);
        Globex = ClientWith(GlobexToken);
        Anonymous = ClientWith(token: null);
    }

    /// <summary>Sends the token of the team that owns the stacks of these tests.</summary>
    public HttpClient Acme { get; }

    /// <summary>Sends the token of another team.</summary>
    public HttpClient Globex { get; }

    /// <summary>Sends no token.</summary>
    public HttpClient Anonymous { get; }

    public static async Task<RunningApi> StartAsync(string connectionString, ILoggerProvider? logs = null, params string[] settings)
    {
        var builder = ApiHost.CreateBuilder(
            ["--environment=Development", "--urls=http://127.0.0.1:0", $"--ConnectionStrings:Database={connectionString}", .. settings]);
        builder.Logging.ClearProviders();
        if (logs is not null)
        {
            builder.Logging.AddProvider(logs).SetMinimumLevel(LogLevel.Trace).AddFilter(static (_, _) => true);
        }

        var app = ApiHost.Build(builder);
        await app.StartAsync();
        return new(app);
    }

    public async ValueTask DisposeAsync()
    {
        Acme.Dispose();
        Globex.Dispose();
        Anonymous.Dispose();
        _handler.Dispose();
        await _app.DisposeAsync();
    }

    private HttpClient ClientWith(string? token)
    {
        var client = new HttpClient(_handler, disposeHandler: false) { BaseAddress = new(_app.Urls.Single()) };
        client.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return client;
    }
}
