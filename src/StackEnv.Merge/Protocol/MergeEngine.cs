using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// Carries out merges: opens a connection, looks at the table the first time, runs the merge, and gives the connection back.
/// </summary>
internal sealed class MergeEngine(MergeContext context)
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<MergeResult> MergeAsync(MergeRequest request, CancellationToken cancellationToken)
    {
        var failures = new MergeFailure(request, context.Settings.Table, cancellationToken);
        var connection = context.CreateConnection();
        try
        {
            var table = await OpenAsync(connection, request, failures, cancellationToken).ConfigureAwait(false);
            return await new MergeRun(context, connection, request, table, failures, cancellationToken).RunAsync().ConfigureAwait(false);
        }
        finally
        {
            await GiveBackAsync(connection).ConfigureAwait(false);
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

    private static async Task GiveBackAsync(NpgsqlConnection connection)
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
    }
}
