using System.Diagnostics;
using System.Runtime.CompilerServices;
using Npgsql;
using StackEnv.Merge.Diagnostics;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// Carries out merges: waits for its turn at the row, opens a connection, looks at the table the first time, runs the merge, and gives
/// everything back.
/// </summary>
internal sealed class MergeEngine(MergeContext context)
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<MergeResult> MergeAsync(
        MergeRequest request, MergeObservation observation, CancellationToken cancellationToken)
    {
        var failures = new MergeFailure(request, context.Settings.Table, cancellationToken);
        var budget = new LockBudget(context.Settings.Limits.LockTimeout);
        var line = context.Lines.Enter(context.Table.RowOf(request.Stack), out var place);
        if (place is not null)
        {
            await WaitInLineAsync(line, place, budget, observation, failures, cancellationToken).ConfigureAwait(false);
        }

        using var detached = DetachedCancellation.Of(cancellationToken);
        var connection = context.CreateConnection();
        long? startedAt = null;
        var succeeded = false;
        try
        {
            var table = await OpenAsync(connection, request, failures, detached.Token).ConfigureAwait(false);
            startedAt = Stopwatch.GetTimestamp();
            var run = new MergeRun(context, connection, request, table, failures, budget, detached.Token);
            var result = await run.RunAsync().ConfigureAwait(false);
            succeeded = true;
            return result;
        }
        finally
        {
            var time = startedAt is null ? null : Stopwatch.GetTimestamp() - startedAt;
#pragma warning disable CA2025 // The task itself disposes the connection.
            var returned = GiveBackAsync(connection, line, time, succeeded);
#pragma warning restore CA2025
            if (!returned.IsCompleted)
            {
                // On a silent network the driver's rollback takes as long as Command Timeout.
                await returned.WaitAsync(TimeLimits.GivingBack, CancellationToken.None)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task WaitInLineAsync(
        MergeLine line,
        LinkedListNode<TaskCompletionSource> place,
        LockBudget budget,
        MergeObservation observation,
        MergeFailure failures,
        CancellationToken cancellationToken)
    {
        budget.Start();
        MergeObservation.EnteredLine();
        try
        {
            await context.Lines.WaitAsync(line, place, budget.Limit, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw failures.StillInLine(budget);
        }
        catch (OperationCanceledException cancelled)
        {
            throw failures.BeforeSending(cancelled);
        }
        finally
        {
            budget.Stop();
            observation.LeftLine(budget.Spent, line.Width);
        }
    }

    private async ValueTask<TableFacts> OpenAsync(
        NpgsqlConnection connection, MergeRequest request, MergeFailure failures, CancellationToken cancellationToken)
    {
        try
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            return await context.Table.LookAsync(connection, request.Stack, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Every failure is translated, whatever its type.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            throw failures.BeforeSending(failure);
        }
    }

    // The place in line is held for as long as the connection is: a stack never holds more connections than its line is wide.
    private async Task GiveBackAsync(NpgsqlConnection connection, MergeLine line, long? time, bool succeeded)
    {
        try
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failed rollback on the way back cannot change the outcome; the driver discards the connection.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
        finally
        {
            context.Lines.Leave(line, time, succeeded);
        }
    }
}
