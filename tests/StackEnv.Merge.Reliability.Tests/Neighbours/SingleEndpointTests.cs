using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>One address, as of a cloud's database, that points at the standby for a moment after a failover.</summary>
public sealed class SingleEndpointTests : IAsyncLifetime
{
    private RestartableCluster _primary = null!;
    private RestartableCluster _standby = null!;
    private Guid _id;

    public async Task InitializeAsync() => (_primary, _standby, _id) = await RestartableCluster.StartPairAsync();

    public async Task DisposeAsync()
    {
        await _standby.DisposeAsync();
        await _primary.DisposeAsync();
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(1, true)]
    [InlineData(3, false)]
    public async Task A_standby_is_transient_and_its_connections_do_not_return_to_the_pool(int idleConnections, bool withJournal)
    {
        var (proxy, dataSource) = WireProxy.InFrontOf(_standby.ConnectionString, settings => settings.MaxPoolSize = idleConnections);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource, journals: withJournal ? [Journal.Silent] : []);
        await OpenAtOnceAsync(dataSource, idleConnections);

        await RefusedAsync(merger);
        proxy.PointTo(_primary.ConnectionString);

        // None of the idle connections is tried: all of them lead to the standby.
        Assert.True((await merger.MergeAsync(_id, Changes())).Changed);
    }

    [Fact]
    public async Task A_merger_that_has_merged_before_reports_it_too()
    {
        var (proxy, dataSource) = WireProxy.InFrontOf(_primary.ConnectionString, static settings => settings.MaxPoolSize = 1);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource);
        Assert.False((await merger.MergeAsync(_id, new Dictionary<string, string?>())).Changed);
        dataSource.Clear();
        proxy.PointTo(_standby.ConnectionString);

        await RefusedAsync(merger);
        await RefusedAsync(merger);

        proxy.PointTo(_primary.ConnectionString);
        Assert.True((await merger.MergeAsync(_id, Changes())).Changed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Each_idle_connection_to_a_lost_primary_fails_one_merge_at_most(bool withJournal)
    {
        const int Idle = 3;
        var (proxy, dataSource) = WireProxy.InFrontOf(_primary.ConnectionString, static settings => settings.MaxPoolSize = Idle);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource, journals: withJournal ? [Journal.Silent] : []);
        await merger.MergeAsync(_id, new Dictionary<string, string?>());
        await OpenAtOnceAsync(dataSource, Idle);
        await _primary.StopAsync(ShutdownMode.Fast);
        await _standby.ExecuteAsync("SELECT pg_promote()");
        proxy.PointTo(_standby.ConnectionString);

        MergeResult? result = null;
        for (var failures = 0; result is null; failures++)
        {
            try
            {
                result = await merger.MergeAsync(_id, Changes());
            }
            catch (StackEnvMergeException failure)
            {
                Assert.True(failure.IsTransient, failure.Message);
                Assert.True(failures < Idle, failure.ToString());
            }
        }

        Assert.True(result.Changed);
    }

    private static Dictionary<string, string?> Changes() => new() { ["A"] = "1" };

    private static async Task OpenAtOnceAsync(NpgsqlDataSource dataSource, int connections)
    {
        var open = new List<NpgsqlConnection>();
        for (var number = 0; number < connections; number++)
        {
            open.Add(await dataSource.OpenConnectionAsync());
        }

        foreach (var connection in open)
        {
            await connection.DisposeAsync();
        }
    }

    private async Task RefusedAsync(StackEnvMerger merger)
    {
        var failure = await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(_id, Changes()));
        Assert.Contains("standby", failure.Message, StringComparison.OrdinalIgnoreCase);
    }
}
