using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackEnv.Merge;

namespace StackEnv.Samples.Worker;

/// <summary>Takes requests from the queue and merges them, several at once.</summary>
internal sealed class ChangeWorker(
    ChangeQueue queue, QueueSignal signal, IStackEnvMerger merger, Receipts receipts, Retries retries, WorkerOptions options,
    ILogger<ChangeWorker> logger)
    : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(Enumerable.Range(0, options.Concurrency).Select(_ => ConsumeAsync(stoppingToken)));

    private async Task ConsumeAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            var next = signal.Next;
            if (!await retries.Outage.ExecuteAsync(TakeOneAsync, stopping))
            {
                await next.WaitAsync(options.PollingInterval, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async ValueTask<bool> TakeOneAsync(CancellationToken stopping)
    {
        await using var claim = await queue.ClaimAsync(stopping);
        if (claim is null)
        {
            return false;
        }

        var failure = await MergeAsync(claim, stopping);
        if (failure is { IsTransient: true })
        {
            await claim.PutBackAsync(failure);
            Log.PutBack(logger, claim.Id, failure.ErrorCode, claim.Attempt, failure.Message);
        }
        else if (await claim.SettleAsync(failure))
        {
            Log.Applied(logger, claim.Id, claim.Stack, claim.Attempt);
        }
        else
        {
            Log.Failed(logger, claim.Id, failure!.ErrorCode, failure.Message);
        }

        return true;
    }

    // If the worker is stopped in the middle, the library either throws OperationCanceledException because nothing was committed, which
    // leaves the request as it was, or returns the result.
    private async Task<StackEnvMergeException?> MergeAsync(Claim claim, CancellationToken stopping)
    {
        receipts.Request = claim.Id;
        try
        {
            await merger.MergeAsync(claim.Stack, claim.Changes, stopping);
            return null;
        }
        catch (StackEnvMergeException failure)
        {
            return failure;
        }
    }
}
