using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>What a cancelled wait for a synchronous standby means: after a failover to it the merge is gone.</summary>
public sealed class SynchronousFailoverTests : IAsyncLifetime
{
    private RestartableCluster _primary = null!;
    private RestartableCluster _standby = null!;
    private Guid _id;

    public async Task InitializeAsync()
    {
        (_primary, _standby, _id) = await RestartableCluster.StartPairAsync();
        await _primary.ExecuteAsync("ALTER SYSTEM SET synchronous_standby_names = '*'");
        await _primary.ExecuteAsync("SELECT pg_reload_conf()");
        await _primary.UntilAsync("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'");
    }

    public async Task DisposeAsync()
    {
        await _standby.DisposeAsync();
        await _primary.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_merge_that_was_reported_as_committed_is_lost(bool withJournal)
    {
        await using var dataSource = NpgsqlDataSource.Create($"{_primary.ConnectionString};Cancellation Timeout=500");
        var merger = new StackEnvMerger(dataSource, journals: withJournal ? [Journal.Silent] : []);
        Assert.True((await merger.MergeAsync(_id, Set("REPLICATED"))).Changed);
        await _standby.StopAsync(ShutdownMode.Fast);
        using var caller = new CancellationTokenSource();
        var merging = merger.MergeAsync(_id, Set("ALONE"), caller.Token);
        await _primary.UntilAsync("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");

        await caller.CancelAsync();

        await MergeFails.WithAsync(MergeFails.OutcomeUnknown, isTransient: true, () => merging);
        await _primary.StopAsync(ShutdownMode.Immediate);
        await _standby.StartAgainAsync();
        await _standby.ExecuteAsync("SELECT pg_promote()");
        await _standby.UntilAsync("SELECT count(*) FROM stacks WHERE env_vars = '{\"REPLICATED\": \"v\"}' AND NOT pg_is_in_recovery()");
    }

    private static Dictionary<string, string?> Set(string key) => new(StringComparer.Ordinal) { [key] = "v" };
}
