using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>What the campaigns take for granted of a server that they stop, start and kill.</summary>
public sealed class RestartableClusterTests
{
    [Fact]
    public async Task A_cluster_keeps_its_data_through_every_kind_of_end()
    {
        await using var cluster = await RestartableCluster.StartAsync();
        await using var dataSource = NpgsqlDataSource.Create($"{cluster.ConnectionString};Pooling=false");
        await ExecuteAsync(dataSource, "CREATE TABLE kept (at int)");

        foreach (var mode in Enum.GetValues<ShutdownMode>())
        {
            await ExecuteAsync(dataSource, "INSERT INTO kept VALUES (1)");
            await cluster.StopAsync(mode);
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => ExecuteAsync(dataSource, "SELECT 1"));
            await cluster.StartAgainAsync();
        }

        await using (var victim = await dataSource.OpenConnectionAsync())
        {
            await ExecuteAsync(dataSource, "INSERT INTO kept VALUES (1)");
            await RestartableCluster.KillBackendAsync(victim.ProcessID);
            await using var command = new NpgsqlCommand("SELECT 1", victim);
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => command.ExecuteNonQueryAsync());
        }

        await cluster.WaitUntilReadyAsync();
        Assert.Equal(3, await CountAsync(dataSource));
    }

    [Fact]
    public async Task A_standby_follows_its_primary_and_can_take_over()
    {
        await using var primary = await RestartableCluster.StartAsync();
        await primary.ExecuteAsync("CREATE TABLE kept AS SELECT 1");
        await using var standby = await primary.StartStandbyAsync();
        await using var dataSource = NpgsqlDataSource.Create($"{standby.ConnectionString};Pooling=false");

        await primary.ExecuteAsync("INSERT INTO kept VALUES (2)");
        while (await CountAsync(dataSource) < 2)
        {
            await Task.Delay(5);
        }

        await primary.StopAsync(ShutdownMode.Immediate);
        await standby.ExecuteAsync("SELECT pg_promote()");
        await standby.ExecuteAsync("INSERT INTO kept VALUES (3)");
        Assert.Equal(3, await CountAsync(dataSource));
    }

    private static async Task ExecuteAsync(NpgsqlDataSource dataSource, string sql)
    {
        await using var command = dataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<long> CountAsync(NpgsqlDataSource dataSource)
    {
        await using var command = dataSource.CreateCommand("SELECT count(*) FROM kept");
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
