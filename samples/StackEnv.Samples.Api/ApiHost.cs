using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Net.Http.Headers;
using Npgsql;
using OpenTelemetry.Trace;
using Scalar.AspNetCore;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

/// <summary>Composes the host. The tests and the load program start the same one.</summary>
internal static class ApiHost
{
    internal const int MaxRequestBytes = 4 * 65_536; // four times the cap of the merged set: room for JSON's escapes and for deletes

    private const string OnlyFromHere =
        """<meta http-equiv="Content-Security-Policy" content="default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:">""" +
        """<style>a[href*="scalar.com"] { display: none }</style>""";

    internal static JsonSerializerOptions Json { get; } = Configure(new(JsonSerializerDefaults.Web));

    // The settings are beside the program, whatever folder it is started from.
    public static WebApplicationBuilder CreateBuilder(string[] args) =>
        WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });

    public static WebApplication Build(WebApplicationBuilder builder)
    {
        AddMerging(builder.Services, builder.Configuration);
        AddHttp(builder);
        return Assemble(builder.Build());
    }

    private static void AddMerging(IServiceCollection services, ConfigurationManager configuration)
    {
        services.AddNpgsqlDataSource(configuration.GetConnectionString("Database") ?? throw new InvalidOperationException(
            "Set ConnectionStrings:Database (the README has its tables). In Development the sample brings its own database."));
        services.AddSingleton<IStackEnvMergeJournal, AuditJournal>();
        services.AddStackEnvMerge(options =>
        {
            options.KeyColumn = "slug";
            options.RequireOwner = true;
            options.VersionColumn = "version";
            configuration.GetSection("StackEnvMerge").Bind(options);
        });
        services.AddSingleton(new Redaction(configuration.GetSection("Redaction:ShownKeys").Get<string[]>() ?? []));

        // The request, the merge inside it, and the driver's work for the merge.
        services.AddOpenTelemetry().WithTracing(tracing =>
        {
            tracing.AddAspNetCoreInstrumentation().AddSource(StackEnvMergeTelemetry.ActivitySourceName).AddNpgsql();
            _ = configuration["Telemetry"] is "console" ? tracing.AddConsoleExporter() : tracing;
        });
    }

    private static void AddHttp(WebApplicationBuilder builder)
    {
        builder.WebHost.ConfigureKestrel(static kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = MaxRequestBytes;
            kestrel.ConfigureEndpointDefaults(static endpoint => endpoint.DescribeRefusals());
        });
        builder.Services.AddExceptionHandler<ProblemHandler>().AddProblemDetails();
        builder.Services.AddStackOpenApi();

        // A body that cannot be read goes to ProblemHandler like every other failure, and not only in Development.
        builder.Services.Configure<RouteHandlerOptions>(static options => options.ThrowOnBadRequest = true);
        builder.Services.ConfigureHttpJsonOptions(static json => Configure(json.SerializerOptions));
    }

    private static JsonSerializerOptions Configure(JsonSerializerOptions json)
    {
        json.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
        json.RespectRequiredConstructorParameters = json.RespectNullableAnnotations = true;
        json.AllowDuplicateProperties = false; // "the last one wins" would hide a mistake
        json.UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow; // so would ignoring "dry_run": true
        json.NumberHandling = JsonNumberHandling.Strict;
        json.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping; // readable; nothing here is embedded in HTML
        return json;
    }

    private static WebApplication Assemble(WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages(
            static context => Problem.OfStatus(context.HttpContext.Response.StatusCode).ExecuteAsync(context.HttpContext));
        app.UseRouting();
        app.UseTeamTokens();
        app.Use(static (context, next) => IsJson(context) ? next(context) : Problem.OfStatus(415).ExecuteAsync(context));

        var routes = app.MapGroup("");
        routes.MapStacks();
        routes.MapOpenApi().AllowAnonymous();
        if (app.Environment.IsDevelopment())
        {
            // In Development only: the page holds a token. It loads nothing from elsewhere, and sends nothing there.
            routes.MapGet("/", static () => Results.Redirect("/scalar/")).AllowAnonymous().ExcludeFromDescription();
            routes.MapScalarApiReference(options => options
                .AddPreferredSecuritySchemes(TeamTokens.Scheme)
                .AddHttpAuthentication(TeamTokens.Scheme, bearer => bearer.Token = app.Configuration["Teams:0:Token"])
                .DisableDefaultFonts().DisableTelemetry().DisableAgent().DisableMcp().HideClientButton().HideDeveloperTools()
                .AddHeadContent(OnlyFromHere)).AllowAnonymous();
        }

        // HEAD wherever GET is (RFC 9110, section 9.1).
        ((IEndpointConventionBuilder)routes).Add(static endpoint =>
        {
            if (endpoint.Metadata.OfType<IHttpMethodMetadata>().LastOrDefault() is { HttpMethods: ["GET"] })
            {
                endpoint.Metadata.Add(new HttpMethodMetadata(["GET", "HEAD"]));
            }
        });
        return app;
    }

    // One format, and not JSON Merge Patch (RFC 7396), in which "" is a value. JSON is UTF-8 (RFC 8259, section 8.1). ASP.NET Core reports
    // a charset that .NET does not know, or one in quotes, as a fault of the server, so the charset is judged here and removed.
    private static bool IsJson(HttpContext context)
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<IAcceptsMetadata>() is null ||
            context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: false })
        {
            return true;
        }

        var type = context.Request.GetTypedHeaders().ContentType;
        context.Request.ContentType = type?.MediaType.Value;
        return type is not null && type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase) &&
            (type.Charset.Length == 0 || HeaderUtilities.RemoveQuotes(type.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase));
    }
}
