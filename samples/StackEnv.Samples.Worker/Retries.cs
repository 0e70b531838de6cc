using Microsoft.Extensions.Logging;
using Npgsql;
using Polly;
using Polly.Retry;
using StackEnv.Merge;

namespace StackEnv.Samples.Worker;

/// <summary>What is tried again in this process. What takes longer goes back to the queue, with <c>next_attempt_at</c>.</summary>
internal sealed class Retries(ILogger<Retries> logger)
{
    /// <summary>For one merge: a few quick attempts while the claim is held. The library says which failures are worth one.</summary>
    public ResiliencePipeline Merge { get; } = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<StackEnvMergeException>(static failure => failure.IsTransient),
            MaxRetryAttempts = 2,
            Delay = TimeSpan.FromMilliseconds(100),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
        })
        .Build();

    /// <summary>For every loop of the worker: the database may be away for as long as it likes.</summary>
    public ResiliencePipeline Outage { get; } = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<NpgsqlException>(),
            MaxRetryAttempts = int.MaxValue,
            Delay = TimeSpan.FromMilliseconds(200),
            MaxDelay = TimeSpan.FromSeconds(5),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            OnRetry = retry =>
            {
                // The message alone: it names no value, and a stack trace for each loop would bury it.
                Log.DatabaseFailed(logger, retry.Outcome.Exception!.Message, retry.RetryDelay.TotalSeconds);
                return default;
            },
        })
        .Build();
}
