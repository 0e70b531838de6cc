using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Net.Http.Headers;
using Npgsql;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Scalar.AspNetCore;
using StackEnv.Merge;
using StackEnv.Samples.Api.Problems;
using StackEnv.Samples.Api.Teams;

namespace StackEnv.Samples.Api;

/// <summary>How the host is put together. The tests and the load program start the very same one.</summary>
internal static class ApiHost
{
    // Four times the cap of the merged set leaves room for JSON's escapes and for deletes.
    internal const int MaxRequestBytes = 4 * 65_536;

    public static WebApplication Build(string[] args, string connectionString, Action<WebApplicationBuilder>? configure = null)
    {
        // The settings lie beside the program, wherever it is started from.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            Args = args,
            ApplicationName = typeof(ApiHost).Assembly.GetName().Name,
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.WebHost.ConfigureKestrel(static kestrel => kestrel.Limits.MaxRequestBodySize = MaxRequestBytes);

        AddMerging(builder, connectionString);
        AddHttp(builder);
        AddTelemetry(builder);
        configure?.Invoke(builder);
        return Assemble(builder.Build());
    }

    // The library's part.
    private static void AddMerging(WebApplicationBuilder builder, string connectionString)
    {
        builder.Services.AddNpgsqlDataSource(connectionString);
        builder.Services.AddSingleton<IStackEnvMergeJournal, AuditJournal>();
        builder.Services.AddStackEnvMerge(options =>
        {
            options.KeyColumn = "slug";
            options.RequireOwner = true;
            builder.Configuration.GetSection("StackEnvMerge").Bind(options);
        });
        builder.Services.AddSingleton<StackStore>();
    }

    private static void AddHttp(WebApplicationBuilder builder)
    {
        builder.Services.AddExceptionHandler<ProblemHandler>().AddProblemDetails();
        builder.Services.AddPerStackLimit();
        builder.Services.AddStackOpenApi();

        builder.Services.AddTeamTokens(builder.Configuration.GetSection("Teams"));
        // What does not say otherwise takes a token: also an unknown path and a wrong media type.
        builder.Services.AddAuthorizationBuilder()
            .SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());

        // A body that cannot be read ends in ProblemTable like everything else, not only in Development.
        builder.Services.Configure<RouteHandlerOptions>(static options => options.ThrowOnBadRequest = true);
        builder.Services.ConfigureHttpJsonOptions(static json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
            json.SerializerOptions.AllowDuplicateProperties = false; // "the last one wins" would hide a mistake
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            json.SerializerOptions.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping; // readable; nothing here is embedded in HTML
        });
    }

    private static void AddTelemetry(WebApplicationBuilder builder) =>
        builder.Services.AddOpenTelemetry().ConfigureResource(static resource => resource.AddService("stacks-api")).WithTracing(tracing =>
        {
            // The request, the merge inside it, and what the driver did for it.
            tracing.AddAspNetCoreInstrumentation().AddSource(StackEnvMergeTelemetry.ActivitySourceName).AddNpgsql();
            if (builder.Configuration["Telemetry"] is "console")
            {
                tracing.AddConsoleExporter();
            }
        });

    private static WebApplication Assemble(WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages(
            static context => Problem.OfStatus(context.HttpContext.Response.StatusCode).ExecuteAsync(context.HttpContext));
        app.UseAuthentication();
        app.UseAuthorization();
        app.Use(static (context, next) => IsInUtf8(context.Request) ? next(context) : Problem.OfStatus(415).ExecuteAsync(context));
        app.UseRateLimiter(); // after authorization: strangers get their 401 and take no permit

        app.MapStacks();
        app.MapHealth();
        app.MapOpenApi().AllowAnonymous();
        app.MapScalarApiReference(static options => options.DefaultFonts = false).AllowAnonymous();
        return app;
    }

    // JSON is UTF-8 (RFC 8259, section 8.1). ASP.NET Core throws what looks like a fault of ours on a charset that .NET does not know, and
    // on one in quotes: so the charset is judged here, and taken away.
    private static bool IsInUtf8(HttpRequest request)
    {
        if (request.GetTypedHeaders().ContentType is not { Charset.Length: > 0 } type)
        {
            return true;
        }

        request.ContentType = type.MediaType.Value;
        return HeaderUtilities.RemoveQuotes(type.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase);
    }
}
