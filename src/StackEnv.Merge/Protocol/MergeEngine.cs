using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>Carries out merges: opens a connection, looks at the table if nobody has yet, runs the merge, and gives the connection back.</summary>
internal sealed class MergeEngine(NpgsqlDataSource dataSource, MergeSettings settings, IStackEnvMergeJournal[] journals)
{
    private readonly bool _hasSeveralHosts = dataSource is NpgsqlMultiHostDataSource;

    // Of several hosts, only the primary can be merged into.
    private readonly NpgsqlDataSource _dataSource =
        dataSource is NpgsqlMultiHostDataSource hosts ? hosts.WithTargetSession(TargetSessionAttributes.Primary) : dataSource;

    public MergeSettings Settings => settings;

    public IStackEnvMergeJournal[] Journals => journals;

    public MergeSql Sql { get; } = new(settings);

    public TableCheck Table { get; } = new(settings);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<MergeResult> MergeAsync(MergeRequest request, CancellationToken cancellationToken)
    {
        var failures = new MergeFailure(request, settings.Table, cancellationToken);
        var connection = _dataSource.CreateConnection();
        try
        {
            var table = await OpenAsync(connection, request, failures, cancellationToken).ConfigureAwait(false);
            return await new MergeRun(this, connection, request, table, failures, cancellationToken).RunAsync().ConfigureAwait(false);
        }
        finally
        {
            await GiveBackAsync(connection).ConfigureAwait(false);
        }
    }

    /// <summary>What a failure says about the next merge: the pooled connections are of no use, or the table is not as it was.</summary>
    public void Learn(PostgresException message, MergeStep refused)
    {
        if (Provenance.IsStandby(message, refused) || Provenance.IsStatementLost(message))
        {
            // The endpoint may point elsewhere by now, but none of the pooled connections does; and this one would fail for ever.
            _dataSource.Clear();
        }
        else if (refused == MergeStep.GuardedUpdate && Provenance.IsAboutRow(message))
        {
            Table.LockStrongly();
        }
        else if (refused is MergeStep.LockedRead or MergeStep.GuardedUpdate && Provenance.IsAboutText(message))
        {
            Table.Forget();
        }
    }

    private async ValueTask<TableFacts> OpenAsync(
        NpgsqlConnection connection, MergeRequest request, MergeFailure failures, CancellationToken cancellationToken)
    {
        try
        {
            await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
            return await Table.LookAsync(connection, request.Stack, cancellationToken).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Every failure is translated, whatever its type.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            throw failures.BeforeSending(failure, _hasSeveralHosts);
        }
    }

    private static async Task GiveBackAsync(NpgsqlConnection connection)
    {
        try
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // A failed rollback on the way back to the pool cannot change the outcome, and the driver discards that connection.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
