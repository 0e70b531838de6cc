using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>The kinds of data source that a host may have.</summary>
public sealed class DataSourceTests : DatabaseTest
{
    [Fact]
    public async Task Of_several_hosts_the_primary_is_used()
    {
        var id = await Database.InsertAsync();
        await using var hosts = BehindADeadHost(Database.ConnectionString);

        Assert.True((await new StackEnvMerger(hosts).MergeAsync(id, Changes(("A", "1")))).Changed);
        await using var primary = await hosts.OpenConnectionAsync(TargetSessionAttributes.Primary);
        Assert.Equal(System.Data.ConnectionState.Open, primary.State);
    }

    [Fact]
    public async Task If_no_host_is_usable_one_that_may_come_back_makes_it_transient()
    {
        await using var hosts = BehindADeadHost(
            new NpgsqlConnectionStringBuilder(Database.ConnectionString) { Database = "no_such_database" }.ConnectionString);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => new StackEnvMerger(hosts).MergeAsync(1L, Changes(("A", "1"))));

        Assert.True(failure.IsTransient);
        Assert.EndsWith(
            "Unable to connect to a suitable host. Check inner exception for more details.", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no_such_database", null, "SQLSTATE 3D000: database \"no_such_database\" does not exist.")]
    [InlineData(null, "no_such_role", "SQLSTATE 28")]
    public async Task A_refused_connection_is_reported_with_its_reason(string? database, string? role, string reason)
    {
        await using var refused = Database.DataSourceWith(settings =>
            (settings.Database, settings.Username, settings.Password) =
                (database ?? settings.Database, role ?? settings.Username, role ?? settings.Password));

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(refused).MergeAsync(1L, Changes(("A", "1"))));

        Assert.Contains(reason, failure.Message, StringComparison.Ordinal);
        Assert.Contains(role ?? database!, failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Automatic_preparation_works_with_the_whole_batch()
    {
        var id = await Database.InsertAsync();
        await using var preparing = Database.DataSourceWith(
            static settings => (settings.MaxAutoPrepare, settings.AutoPrepareMinUsages, settings.MaxPoolSize) = (20, 2, 1));
        var merger = new StackEnvMerger(preparing);

        for (var turn = 1; turn <= 10; turn++)
        {
            Assert.Equal(turn, (await merger.MergeAsync(id, Changes(($"K_{turn}", "v")))).TotalAfter);
        }

        await using var prepared = preparing.CreateCommand("SELECT count(*) FROM pg_prepared_statements");
        Assert.Equal(7L, await prepared.ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_slim_data_source_is_enough()
    {
        StackRef stack = await Database.InsertAsync("""{"A": "1"}""", team: Guid.Empty);
        await using var slim = new NpgsqlSlimDataSourceBuilder(Database.ConnectionString).Build();

        var result = await new StackEnvMerger(slim).MergeAsync(stack.OwnedBy(Guid.Empty), Changes(("A", ""), ("B", "2")));

        Assert.Equal((1, 1), (result.KeysSet, result.KeysDeleted));
    }

    [Fact]
    public async Task Defaults_of_the_role_do_not_change_the_protocol()
    {
        var id = await Database.InsertAsync();
        await using var hostile = Database.DataSourceWith(static settings => settings.Options =
            "-c default_transaction_isolation=serializable -c default_transaction_read_only=on -c lock_timeout=1 -c " +
            "statement_timeout=20000 -c standard_conforming_strings=off");
        await using var holder = await Database.LockAsync(id);

        var merging = new StackEnvMerger(hostile).MergeAsync(id, Changes(("A", "quote\\\"d")));
        await Database.WaitersAsync(1);
        await Task.Delay(50);
        await holder.DisposeAsync();

        Assert.Equal("quote\\\"d", (await merging).Env["A"]);
    }

    [Fact]
    public async Task A_pool_of_one_serves_merge_after_merge_whatever_each_returns()
    {
        var id = await Database.InsertAsync();
        var deleting = await Database.InsertAsync(status: "deleting");
        await using var one = Database.DataSourceWith(static settings => settings.MaxPoolSize = 1);
        var merger = new StackEnvMerger(one, new() { LockTimeout = TimeSpan.FromMilliseconds(20) });

        for (var turn = 1; turn <= 5; turn++)
        {
            await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(Guid.NewGuid(), Changes(("A", "1"))));
            await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync(deleting, Changes(("A", "1"))));
            await using (await Database.LockAsync(id))
            {
                await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("A", "1"))));
            }

            Assert.Equal(turn, (await merger.MergeAsync(id, Changes(($"K_{turn}", "v")))).TotalAfter);
        }
    }

    private static NpgsqlMultiHostDataSource BehindADeadHost(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        var host = settings.Host!.StartsWith('/') ? settings.Host : $"{settings.Host}:{settings.Port}";
        settings.Host = $"127.0.0.1:1,{host}";
        return new NpgsqlDataSourceBuilder(settings.ConnectionString).BuildMultiHost();
    }
}
