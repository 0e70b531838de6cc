using System.Threading.RateLimiting;

namespace StackEnv.Samples.Api;

/// <summary>
/// A cap on the requests that wait for one stack, so that a stuck stack cannot take every connection of the pool: the rest get 503 at once.
/// </summary>
internal static class PerStackLimit
{
    public const string Policy = "per-stack";
    internal const int Requests = 8;

    public static void AddPerStackLimit(this IServiceCollection services) => services.AddRateLimiter(static options =>
    {
        options.AddPolicy(Policy, static context => RateLimitPartition.GetConcurrencyLimiter(
            (Team: context.User.Team(), Slug: context.GetRouteValue("slug") as string),
            static _ => new ConcurrencyLimiterOptions { PermitLimit = Requests }));
        options.OnRejected = static (rejected, _) => new(new Problem(
            503, "busy", "Too many requests wait for this stack. Nothing was written. Try again.", retryAfterSeconds: 1)
            .ExecuteAsync(rejected.HttpContext));
    });
}
