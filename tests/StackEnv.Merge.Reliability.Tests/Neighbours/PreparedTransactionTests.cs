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
    [InlineData("COMMIT PREPARED", "PREPARE TRANSACTION 'merge'")]
    [InlineData("ROLLBACK PREPARED", "PREPARE TRANSACTION 'merge'")]
    [InlineData("COMMIT PREPARED", "PREPARE TRANSACTION 'merge'", "BEGIN")]
    [InlineData("COMMIT PREPARED", "PREPARE TRANSACTION 'merge'", "SELECT 1 / 0")]
    [InlineData("ROLLBACK PREPARED", "PREPARE TRANSACTION 'merge'", "BEGIN", "SELECT 1 / 0")]
    public async Task It_is_unknown(string end, params string[] statements)
    {
        var id = await _database.InsertAsync();
        var merger = _database.MergerWith(new Journal((_, _) => statements.Select(static sql => new NpgsqlBatchCommand(sql))));

        var failure = await Record.ExceptionAsync(() => merger.MergeAsync(id, new Dictionary<string, string?> { ["A"] = "1" }));

        Assert.Equal("{}", await _database.EnvAsync(id));
        await _database.ExecuteAsync($"{end} 'merge'");
        Assert.Equal(end == "COMMIT PREPARED" ? """{"A": "1"}""" : "{}", await _database.EnvAsync(id));
        Assert.Equal(MergeFails.OutcomeUnknown, Assert.IsAssignableFrom<StackEnvMergeException>(failure).ErrorCode);
    }
}
