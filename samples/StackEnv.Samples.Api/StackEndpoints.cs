using System.Security.Claims;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using StackEnv.Merge;
using StackEnv.Samples.Api.Problems;
using StackEnv.Samples.Api.Teams;

namespace StackEnv.Samples.Api;

/// <summary>The routes. What goes wrong is thrown, and <see cref="ProblemTable"/> says what the client sees of it.</summary>
internal static class StackEndpoints
{
    public static void MapStacks(this IEndpointRouteBuilder app)
    {
        var stacks = app.MapGroup("/stacks").WithTags("Stacks");

        stacks.MapPost("", CreateAsync)
            .WithName("CreateStack").WithSummary("Creates a stack without environment variables.")
            .Fails(400, 401, 409, 413, 503);

        stacks.MapGet("/{slug}", ShowAsync)
            .WithName("GetStack").WithSummary("Shows a stack.")
            .Fails(401, 404, 503);

        stacks.MapDelete("/{slug}", TearDownAsync)
            .WithName("DeleteStack")
            .WithSummary("Starts the teardown of a stack: from then on its environment variables cannot be changed.")
            .RequireRateLimiting(PerStackLimit.Policy)
            .Fails(401, 404, 503);

        stacks.MapGet("/{slug}/env", ShowEnvAsync)
            .WithName("GetEnv").WithSummary("Shows the environment variables of a stack, redacted.")
            .Fails(401, 404, 503);

        stacks.MapPatch("/{slug}/env", PatchEnvAsync)
            .WithName("PatchEnv").WithSummary("Sets and deletes environment variables of a stack, all of them or none.")
            .WithDescription(
                "An empty string or null deletes a key. Keys that are not named keep their values. " +
                "A 503 may be repeated after Retry-After.")
            .RequireRateLimiting(PerStackLimit.Policy)
            .Fails(400, 401, 404, 409, 413, 500, 503);

        stacks.MapGet("/{slug}/audit", ShowAuditAsync)
            .WithName("GetAudit").WithSummary("Shows the latest changes of a stack, newest first.")
            .Fails(401, 404, 503);
    }

    public static void MapHealth(this IEndpointRouteBuilder app) =>
        app.MapGet("/healthz", static async (NpgsqlDataSource database, CancellationToken cancellationToken) =>
            {
                await using var ping = database.CreateCommand("SELECT 1");
                await ping.ExecuteNonQueryAsync(cancellationToken);
                return TypedResults.Ok(new HealthAnswer());
            })
            .WithName("GetHealth").WithSummary("Says whether the API and its database answer.").WithTags("Health")
            .AllowAnonymous()
            .Fails(503);

    // No read before the merge: whose stack it is, and whether it is being torn down, is checked under the row lock.
    private static async Task<Results<Ok<EnvPatched>, Problem>> PatchEnvAsync(
        string slug, EnvPatch body, ClaimsPrincipal caller, IStackEnvMerger merger, CancellationToken cancellationToken)
    {
        if (body.Env is null)
        {
            return Problem.MissingEnv;
        }

        var stack = ((StackRef)slug).OwnedBy(caller.Team());
        var result = await merger.MergeAsync(stack, body.Env, cancellationToken);
        return TypedResults.Ok(EnvPatched.Of(result));
    }

    private static async Task<Results<Created<StackAnswer>, Problem>> CreateAsync(
        NewStack body, ClaimsPrincipal caller, StackStore store, CancellationToken cancellationToken)
    {
        if (!body.HasValidSlug)
        {
            return Problem.InvalidSlug;
        }

        return await store.CreateAsync(body.Slug!, caller.Team(), cancellationToken) is { } stack
            ? TypedResults.Created($"/stacks/{stack.Slug}", new StackAnswer(stack))
            : Problem.SlugTaken;
    }

    private static async Task<Ok<StackAnswer>> ShowAsync(
        string slug, ClaimsPrincipal caller, StackStore store, CancellationToken cancellationToken) =>
        TypedResults.Ok(new StackAnswer(await store.FindAsync(slug, caller.Team(), cancellationToken)));

    private static async Task<Accepted<StackAnswer>> TearDownAsync(
        string slug, ClaimsPrincipal caller, StackStore store, CancellationToken cancellationToken) =>
        TypedResults.Accepted(
            $"/stacks/{Uri.EscapeDataString(slug)}", new StackAnswer(await store.TearDownAsync(slug, caller.Team(), cancellationToken)));

    private static async Task<Ok<EnvAnswer>> ShowEnvAsync(
        string slug, ClaimsPrincipal caller, StackStore store, CancellationToken cancellationToken) =>
        TypedResults.Ok(new EnvAnswer(Redaction.Of(await store.ReadEnvAsync(slug, caller.Team(), cancellationToken))));

    private static async Task<Ok<AuditAnswer>> ShowAuditAsync(
        string slug, ClaimsPrincipal caller, StackStore store, CancellationToken cancellationToken) =>
        TypedResults.Ok(new AuditAnswer(await store.ReadAuditAsync(slug, caller.Team(), cancellationToken)));

    private static RouteHandlerBuilder Fails(this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
        {
            route.Produces<Problem>(status, Problem.ContentType);
        }

        return route;
    }
}
