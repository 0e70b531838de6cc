using System.Threading.RateLimiting;
using StackEnv.Samples.Api.Problems;

namespace StackEnv.Samples.Api;

/// <summary>
/// One stuck stack must not take every connection of the pool: of the requests that take a stack's row lock, a few may run for each stack,
/// a few more may wait for them without a connection, and the rest are told to come back.
/// </summary>
internal static class PerStackLimit
{
    public const string Policy = "per-stack";

    // They take turns at the row anyway. More than a few in flight would only wait in PostgreSQL, each with a connection.
    internal const int Running = 4;
    internal const int Waiting = 4;

    public static void AddPerStackLimit(this IServiceCollection services) =>
        services.AddRateLimiter(static options =>
        {
            options.AddPolicy(Policy, static context => RateLimitPartition.GetConcurrencyLimiter(
                (Team: context.User.FindFirst(Teams.TeamTokens.TeamClaim)?.Value, Slug: context.GetRouteValue("slug") as string),
                static _ => new ConcurrencyLimiterOptions { PermitLimit = Running, QueueLimit = Waiting }));
            options.OnRejected = static (rejected, _) => new(Problem.Busy.ExecuteAsync(rejected.HttpContext));
        });
}
