using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>A journal that prepares the merge's transaction for a two-phase commit: whether it will be committed is up to others.</summary>
public sealed class PreparedTransactionTests : IAsyncLifetime
{
    private RestartableCluster _cluster = null!;
    private TestDatabase _database = null!;

    public async Task InitializeAsync()
    {
        _cluster = await RestartableCluster.StartAsync();
        await _cluster.ExecuteAsync("ALTER SYSTEM SET max_prepared_transactions = 10");
        await _cluster.StopAsync(ShutdownMode.Fast);
        await _cluster.StartAgainAsync();
        _database = await TestDatabase.CreateAsync(_cluster.ConnectionString);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Theory]
    [InlineData("PREPARE TRANSACTION 'merge'")]
    [InlineData("/* of /* both */ */ prepare\n--\ntransaction 'merge'")]
    [InlineData("; Prepare Transaction 'merge'", "BEGIN")]
    [InlineData("PREPARE TRANSACTION 'merge'", "SELECT 1 / 0")]
    [InlineData("SELECT 1", "PREPARE TRANSACTION 'merge'", "BEGIN", "SELECT 1 / 0")]
    public async Task It_is_refused_before_anything_is_prepared(params string[] statements)
    {
        var id = await _database.InsertAsync();
        var merger = _database.MergerWith(new Journal((_, _) => statements.Select(static sql => new NpgsqlBatchCommand(sql))));

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: false, () => merger.MergeAsync(id, new Dictionary<string, string?> { ["A"] = "1" }));

        Assert.Contains("ends the transaction", failure.Message, StringComparison.Ordinal);
        Assert.Equal("{}", await _database.EnvAsync(id));
        Assert.Equal(0, await _database.ScalarAsync<long>("SELECT count(*) FROM pg_prepared_xacts"));
    }

    [Theory]
    [InlineData("PREPARE prepared AS SELECT 1", "EXECUTE prepared", "DEALLOCATE prepared")]
    [InlineData("SAVEPOINT here", "ROLLBACK TO here", "ROLLBACK TRANSACTION TO SAVEPOINT here", "RELEASE here")]
    public async Task Statements_that_look_like_it_are_carried_out(params string[] statements)
    {
        var id = await _database.InsertAsync();
        var merger = _database.MergerWith(new Journal((_, _) => statements.Select(static sql => new NpgsqlBatchCommand(sql))));

        Assert.True((await merger.MergeAsync(id, new Dictionary<string, string?> { ["A"] = "1" })).Changed);
    }
}
