using System.Collections.Concurrent;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>The mergers of one caller, or of all of them, on one data source.</summary>
internal sealed class MergingHost : IAsyncDisposable
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly IStackEnvMergeJournal[] _journals;
    private readonly ConcurrentDictionary<(int MaxEnvBytes, TimeSpan LockTimeout), StackEnvMerger> _mergers = new();

    public MergingHost(string name, TestDatabase database, OptionSet options)
    {
        _journals = options switch
        {
            { SharedPool: not null } => [RowHistory.Signature],
            { WithJournal: true } => [Journal.Audit],
            _ => [],
        };
        _dataSource = database.DataSourceWith(settings =>
        {
            settings.ApplicationName = name;
            settings.MaxAutoPrepare = options.AutoPrepare ? 20 : 0;
            settings.MaxPoolSize = options.SharedPool ?? settings.MaxPoolSize;
        });
    }

    // As in a host: each of them checks its table once.
    public StackEnvMerger MergerWith(int maxEnvBytes, TimeSpan lockTimeout) => _mergers.GetOrAdd(
        (maxEnvBytes, lockTimeout),
        limits => new(
            _dataSource,
            new() { MaxEnvBytes = limits.MaxEnvBytes, LockTimeout = limits.LockTimeout, VersionColumn = RowHistory.VersionColumn },
            journals: _journals));

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();
}
