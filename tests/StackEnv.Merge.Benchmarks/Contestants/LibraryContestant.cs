using Npgsql;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>The library, as a host without a container uses it.</summary>
internal sealed class LibraryContestant : IContestant
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly StackEnvMerger _merger;

    public LibraryContestant(string connectionString)
    {
        _dataSource = NpgsqlDataSource.Create(connectionString);
        _merger = new(_dataSource, new() { LockTimeout = MergeRules.LockTimeout });
    }

    public async Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes) =>
        (await _merger.MergeAsync(stack, changes)).Env;

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();
}
