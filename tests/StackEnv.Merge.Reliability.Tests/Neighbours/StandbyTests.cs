using System.Diagnostics;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>A primary and its streaming standby behind one data source, before and after a failover.</summary>
public sealed class StandbyTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly TimeSpan FailoverLimit = TimeSpan.FromSeconds(60);

    private RestartableCluster _primary = null!;
    private RestartableCluster _standby = null!;
    private Guid _id;

    public async Task InitializeAsync()
    {
        (_primary, _standby, _id) = await RestartableCluster.StartPairAsync();
        await StreamingAsync();
    }

    public async Task DisposeAsync()
    {
        await _standby.DisposeAsync();
        await _primary.DisposeAsync();
    }

    [Fact]
    public async Task Merges_go_to_the_primary_wherever_it_stands_in_the_list_and_after_a_failover_to_the_new_one()
    {
        await using var hosts = Hosts(_standby, _primary);
        var merger = new StackEnvMerger(hosts);
        Assert.Equal(1, (await merger.MergeAsync(_id, Set("BEFORE"))).TotalAfter);
        Assert.Equal(2, (await merger.MergeAsync(_id, Set("BEFORE_TOO"))).TotalAfter);

        await _primary.StopAsync(ShutdownMode.Fast);
        await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync(_id, Set("LOST")));
        await _standby.ExecuteAsync("SELECT pg_promote()");

        var promoted = Stopwatch.GetTimestamp();
        MergeResult? result = null;
        while (result is null)
        {
            Assert.True(Stopwatch.GetElapsedTime(promoted) < FailoverLimit, "No merge reached the new primary.");
            try
            {
                result = await merger.MergeAsync(_id, Set("AFTER"));
            }
            catch (StackEnvStoreException failure)
            {
                output.WriteLine(failure.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(50));
            }
        }

        output.WriteLine(
            $"The first merge on the new primary came {Stopwatch.GetElapsedTime(promoted).TotalSeconds:F1} s after the promotion.");
        Assert.Equal(["AFTER", "BEFORE", "BEFORE_TOO"], result.Env.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task While_there_is_no_primary_a_merge_is_not_committed_and_transient()
    {
        await using var hosts = Hosts(_standby, _primary);
        await _primary.StopAsync(ShutdownMode.Fast);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => new StackEnvMerger(hosts).MergeAsync(_id, Set("LOST")));

        Assert.True(failure.IsTransient, failure.Message);
    }

    [Fact]
    public async Task While_all_hosts_are_standbys_a_merge_is_transient_because_one_may_be_promoted()
    {
        await using var hosts = Hosts(_standby, _standby);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => new StackEnvMerger(hosts).MergeAsync(_id, Set("LOST")));

        Assert.True(failure.IsTransient, failure.Message);
        Assert.EndsWith("No suitable host was found.", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_source_of_a_standby_alone_is_refused_and_works_once_it_is_promoted()
    {
        await using var single = NpgsqlDataSource.Create(_standby.ConnectionString);
        var merger = new StackEnvMerger(single);

        for (var turn = 0; turn < 2; turn++)
        {
            var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(_id, Set("A")));
            Assert.Equal(PostgresErrorCodes.FeatureNotSupported, failure.SqlState);
            Assert.EndsWith("The server is a standby, or read-only: merges need the primary.", failure.Message, StringComparison.Ordinal);
        }

        await _standby.ExecuteAsync("SELECT pg_promote()");
        Assert.True((await merger.MergeAsync(_id, Set("A"))).Changed);
    }

    // Only a standby that is connected has every commit before a fast shutdown ends.
    private async Task StreamingAsync()
    {
        await using var primary = NpgsqlDataSource.Create($"{_primary.ConnectionString};Pooling=false");
        await using var count = primary.CreateCommand("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'");
        var startedAt = Stopwatch.GetTimestamp();
        while ((long)(await count.ExecuteScalarAsync())! == 0)
        {
            Assert.True(Stopwatch.GetElapsedTime(startedAt) < FailoverLimit, "The standby does not connect to its primary.");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
    }

    private NpgsqlDataSource Hosts(params RestartableCluster[] clusters) =>
        NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_primary.ConnectionString)
        {
            Host = string.Join(',', clusters.Select(static cluster => new NpgsqlConnectionStringBuilder(cluster.ConnectionString).Host)),
            HostRecheckSeconds = 1,
        });

    private static Dictionary<string, string?> Set(string key) => new(StringComparer.Ordinal) { [key] = "v" };
}
