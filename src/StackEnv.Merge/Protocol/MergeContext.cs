using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What all merges of one merger share.</summary>
internal sealed class MergeContext(
    NpgsqlDataSource dataSource, NpgsqlConnectionStringBuilder connectionString, MergeSettings settings, IStackEnvMergeJournal[] journals)
{
    // Of several hosts, only the primary can be merged into.
    private readonly NpgsqlDataSource _dataSource =
        dataSource is NpgsqlMultiHostDataSource hosts ? hosts.WithTargetSession(TargetSessionAttributes.Primary) : dataSource;

    public MergeSettings Settings => settings;

    public IStackEnvMergeJournal[] Journals => journals;

    public MergeSql Sql { get; } = new(settings);

    public TableCheck Table { get; } = new(settings, connectionString.Encoding);

    public MergeLines Lines { get; } = new(connectionString.MaxPoolSize);

    public NpgsqlConnection CreateConnection() => _dataSource.CreateConnection();

    /// <summary>What a failure says about the next merge: the pooled connections are useless, or the table has changed.</summary>
    public void Learn(PostgresException message, MergeStep refused)
    {
        if (Provenance.IsStandby(message, refused) || Provenance.IsStatementLost(message))
        {
            // The endpoint may point elsewhere by now, but none of the pooled connections does; and this one would fail every time.
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
}
