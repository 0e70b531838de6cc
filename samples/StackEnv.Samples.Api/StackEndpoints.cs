using System.Security.Claims;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

/// <summary>The routes. Failures are thrown, and <see cref="ProblemHandler"/> maps them to what the client sees.</summary>
internal static class StackEndpoints
{
    // What PostgreSQL could store is not too deep for this program either.
    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = int.MaxValue };

    public static void MapStacks(this IEndpointRouteBuilder app)
    {
        var stacks = app.MapGroup("/stacks").WithTags("Environment variables");
        stacks.MapPatch("/{slug}/env", PatchAsync)
            .WithName("PatchEnv").WithSummary("Sets and deletes environment variables of a stack, all of them or none.")
            .WithDescription(
                "An empty string or null deletes a key. Keys that are not named keep their values. " +
                "With If-Match the change is made only if the stack is still at that ETag; otherwise the answer is 412. " +
                "After a 503 the same request may be sent again, after the seconds in Retry-After and retry_after_seconds.")
            .Fails(400, 401, 404, 409, 412, 413, 415, 500, 503);

        stacks.MapGet("/{slug}/env", GetAsync)
            .WithName("GetEnv").WithSummary("Shows the environment variables of a stack, redacted.")
            .Fails(401, 404, 500, 503);
    }

    // No read before the merge: the owner and the teardown are checked under the row lock.
    private static async Task<Results<Ok<EnvPatched>, Problem>> PatchAsync(
        string slug, EnvPatch body, [FromHeader(Name = "If-Match")] string? ifMatch, HttpContext http, ClaimsPrincipal caller,
        IStackEnvMerger merger, Redaction redaction, CancellationToken cancellationToken)
    {
        if (body.Env is null)
        {
            return new Problem(400, "missing_env", """The body has no "env". Send {"env": {"KEY": "VALUE", "OLD": ""}}.""");
        }

        var stack = EntityTags.AtVersionOf(http.Request, ((StackRef)slug).OwnedBy(caller.Team()));
        var result = await merger.MergeAsync(stack, body.Env, cancellationToken);
        EntityTags.Show(http.Response, result.Version!.Value);
        return TypedResults.Ok(new EnvPatched(
            Ok: true,
            redaction.Of(result.Env),
            result.KeysSet, result.KeysDeleted, result.TotalAfter,
            result.Changed
                ? "The environment variables are stored. Redeploy the stack to apply them."
                : "The environment variables were as requested already. No redeploy is needed."));
    }

    private static async Task<Ok<EnvShown>> GetAsync(
        string slug, HttpResponse response, ClaimsPrincipal caller, NpgsqlDataSource database, Redaction redaction,
        CancellationToken cancellationToken)
    {
        var stack = ((StackRef)slug).OwnedBy(caller.Team());
        await using var command = database.CreateCommand(
            "SELECT coalesce(env_vars, '{}')::text, version FROM stacks WHERE slug = $1 AND team_id = $2");
        command.Parameters.Add(new() { Value = stack.Key });
        command.Parameters.Add(new() { Value = stack.Owner });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken))
        {
            throw new StackNotFoundException(stack);
        }

        using var stored = JsonDocument.Parse(row.GetString(0), AnyDepth);
        if (stored.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new StoredEnvInvalidException(stack);
        }

        var env = stored.RootElement.EnumerateObject().ToDictionary(
            static member => member.Name,
            static member => member.Value.ValueKind == JsonValueKind.String ? member.Value.GetString()! : member.Value.GetRawText());
        EntityTags.Show(response, row.GetInt64(1));
        return TypedResults.Ok(new EnvShown(Ok: true, redaction.Of(env), env.Count));
    }

    private static void Fails(this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
        {
            route.Produces<Problem>(status, Problem.ContentType);
        }
    }
}
