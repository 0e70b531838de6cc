using System.Data;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// Carries out merges: waits for the turn at the row, opens a connection, checks the table the first time, runs the merge, and gives
/// everything back.
/// </summary>
internal sealed class MergeEngine(MergeContext context)
{
    /// <summary>Enters the line of the stack's row. Wait for the turn, if it has not come, and then merge.</summary>
    public MergeTurn TakeTurn(StackRef stack) => new(
        context.Lines.Enter((stack.Key, stack.Owner), out var place), place, new LockBudget(context.Settings.Limits.LockTimeout));

    /// <summary>Waits until the turn has come. Whatever this throws, the turn is over.</summary>
    public async Task WaitAsync(MergeTurn turn, MergeRequest request, CancellationToken cancellationToken)
    {
        var failures = new MergeFailure(request, context.Settings.Table, cancellationToken);
        turn.Budget.Start();
        try
        {
            await context.Lines.WaitAsync(turn.Line, turn.Place!, turn.Budget, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw failures.StillInLine(turn.Budget);
        }
        catch (OperationCanceledException cancelled)
        {
            throw failures.BeforeSending(cancelled);
        }
        finally
        {
            turn.Budget.Stop();
        }
    }

    /// <summary>Merges in the turn, and ends it.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<MergeResult> MergeAsync(MergeRequest request, MergeTurn turn, CancellationToken cancellationToken)
    {
        using var detached = DetachedCancellation.Of(cancellationToken);
        var failures = new MergeFailure(request, context.Settings.Table, cancellationToken);
        var connection = context.CreateConnection();
        long? startedAt = null;
        var succeeded = false;
        try
        {
            var table = await OpenAsync(connection, request, failures, detached.Token).ConfigureAwait(false);
            startedAt = Stopwatch.GetTimestamp();
            var run = new MergeRun(context, connection, request, table, failures, turn.Budget, detached.Token);
            var result = await run.RunAsync().ConfigureAwait(false);
            succeeded = true;
            return result;
        }
        finally
        {
            var time = Stopwatch.GetTimestamp() - startedAt;
#pragma warning disable CA2025 // The task itself disposes the connection.
            var returned = GiveBackAsync(connection, turn.Line, time, succeeded);
#pragma warning restore CA2025
            if (!returned.IsCompleted)
            {
                // On a silent network the driver's rollback takes as long as Command Timeout.
                await returned.WaitAsync(TimeLimits.GivingBack, CancellationToken.None)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async ValueTask<TableFacts> OpenAsync(
        NpgsqlConnection connection, MergeRequest request, MergeFailure failures, CancellationToken cancellationToken)
    {
        try
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            var table = await context.Table.LookAsync(connection, request.Stack, cancellationToken).ConfigureAwait(false);
            if (connection.State == ConnectionState.Open)
            {
                return table;
            }

            // An internal error of the server counts as catalogs that cannot be read, but the driver gives the connection up after it.
            await connection.CloseAsync().ConfigureAwait(false);
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
