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

        var outcome = await MergeAsync(claim, stopping);
        if (outcome.Status is "pending")
        {
            await claim.PutBackAsync(outcome, options.RetryDelay);
        }
        else
        {
            outcome = await claim.SettleAsync(outcome);
        }

        Report(claim, outcome);
        return true;
    }

    private async Task<Outcome> MergeAsync(Claim claim, CancellationToken stopping)
    {
        var attempts = 0;
        receipts.Request = claim.Id;
        try
        {
            // When the worker is stopped in the middle, the library either says that nothing was committed, which leaves the request as it
            // was, or it answers with the result.
            await retries.Merge.ExecuteAsync(
                async token =>
                {
                    attempts++;
                    await merger.MergeAsync(claim.Stack, claim.Changes, token);
                },
                stopping);
            return new("applied", attempts);
        }
        catch (StackEnvMergeException failure)
        {
            if (failure is UnsuitableTableException)
            {
                // The message names the SQL that fixes the table. The worker goes on: an operator may fix it meanwhile.
                Log.TableUnsuitable(logger, claim.Stack, failure.Message);
            }

            var status = failure switch
            {
                { IsTransient: true } when claim.Attempts + attempts < options.MaxAttempts => "pending",
                { IsTransient: true } or StackEnvStoreException or UnsuitableTableException => "failed",
                _ => "refused",
            };
            return new(status, attempts, failure.ErrorCode);
        }
    }

    private void Report(Claim claim, Outcome outcome)
    {
        if (outcome.Status is "applied")
        {
            Log.Applied(logger, claim.Id, claim.Stack, claim.Attempts + outcome.Attempts);
        }
        else if (outcome.Status is "refused")
        {
            Log.Refused(logger, claim.Id, claim.Stack, outcome.ErrorCode);
        }
        else if (outcome.Status is "failed")
        {
            Log.Failed(logger, claim.Id, claim.Stack, outcome.ErrorCode, claim.Attempts + outcome.Attempts);
        }
        else
        {
            Log.PutBack(logger, claim.Id, claim.Stack, outcome.ErrorCode, claim.Attempts + outcome.Attempts);
        }
    }
}
