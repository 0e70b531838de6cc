using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace StackEnv.Samples.Worker;

/// <summary>
/// For every loop of the worker: the database may be away for any length of time. A merge that fails is not repeated here. It goes back to
/// the queue, which keeps the time of its next attempt.
/// </summary>
internal sealed class Retries(ILogger<Retries> logger)
{
    public ResiliencePipeline Outage { get; } = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            // Every exception except a cancellation, which is the default: drivers and poolers fail in more ways than can be listed.
            MaxRetryAttempts = int.MaxValue,
            Delay = TimeSpan.FromMilliseconds(200),
            MaxDelay = TimeSpan.FromSeconds(5),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            OnRetry = retry =>
            {
                // The message alone: it contains no value, and a stack trace for each loop would bury it.
                Log.DatabaseFailed(logger, retry.Outcome.Exception!.Message, retry.RetryDelay.TotalSeconds);
                return default;
            },
        })
        .Build();
}
