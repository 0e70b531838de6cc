namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// COMMIT waits for a synchronous standby, and that wait is cancelled. The server warns and answers with COMMIT's tag, though a failover
/// would lose the commit: the outcome is unknown. See
/// <see href="https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION">synchronous replication</see>.
/// </summary>
public sealed class SynchronousStandbyTests(AbsentStandby standby) : IClassFixture<AbsentStandby>, IAsyncLifetime
{
    private TestDatabase _database = null!;
    private Guid _id;

    public async Task InitializeAsync()
    {
        _database = await standby.CreateDatabaseAsync();
        _id = await _database.InsertAsync();
    }

    public Task DisposeAsync() => _database.DisposeAsync().AsTask();

    [Theory]
    [InlineData("token", false)]
    [InlineData("token", true)]
    [InlineData("time limit", false)]
    [InlineData("time limit", true)]
    [InlineData("pg_cancel_backend", false)]
    [InlineData("pg_cancel_backend", true)]
    [InlineData("pg_terminate_backend", false)]
    [InlineData("pg_terminate_backend", true)]
    public async Task A_wait_for_the_standby_that_is_cancelled_is_unknown(string how, bool withJournal)
    {
        var failure = await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => MergeAndCancelAsync(how, withJournal));

        Assert.Contains("a failover can lose it", failure.Message, StringComparison.Ordinal);
        Assert.Equal("""{"A": "1"}""", await _database.EnvAsync(_id));
    }

    [Theory]
    [InlineData("token", false)]
    [InlineData("pg_cancel_backend", true)]
    public async Task It_is_unknown_too_if_the_session_suppresses_warnings(string how, bool withJournal) =>
        await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => MergeAndCancelAsync(how, withJournal, "-c client_min_messages=error"));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wait_that_ends_as_it_should_is_committed(bool withJournal)
    {
        await using var dataSource = AbsentStandby.WaitingDataSource(_database);
        var merging = MergerOn(dataSource, withJournal).MergeAsync(_id, Changes());
        await AbsentStandby.WaiterAsync(_database, merging);

        await standby.AwaitStandbyAsync("");

        Assert.True((await merging).Changed);
        Assert.Equal("""{"A": "1"}""", await _database.EnvAsync(_id));
        await standby.AwaitStandbyAsync("nobody");
    }

    // Its row lock is in the write-ahead log, so its COMMIT waits as well; and the row may show a merge whose own wait was cancelled.
    [Theory]
    [InlineData("token", false)]
    [InlineData("pg_cancel_backend", true)]
    public async Task A_repeat_that_changes_nothing_is_unknown_too_when_its_wait_is_cancelled(string how, bool withJournal)
    {
        await _database.Merger.MergeAsync(_id, Changes());

        await MergeFails.WithAsync(MergeFails.OutcomeUnknown, isTransient: true, () => MergeAndCancelAsync(how, withJournal));
    }

    private static Dictionary<string, string?> Changes() => new() { ["A"] = "1" };

    private static StackEnvMerger MergerOn(Npgsql.NpgsqlDataSource dataSource, bool withJournal, TimeSpan? lockTimeout = null) =>
        new(
            dataSource,
            new() { LockTimeout = lockTimeout ?? TimeSpan.FromSeconds(30) },
            journals: withJournal ? [Journal.Silent] : []);

    private async Task<MergeResult> MergeAndCancelAsync(string how, bool withJournal, string options = "")
    {
        await using var dataSource = AbsentStandby.WaitingDataSource(_database, options);
        var merger = MergerOn(dataSource, withJournal, how == "time limit" ? TimeSpan.FromMilliseconds(1) : null);
        using var caller = new CancellationTokenSource();
        var merging = merger.MergeAsync(_id, Changes(), caller.Token);
        var process = await AbsentStandby.WaiterAsync(_database, merging);
        switch (how)
        {
            case "token":
                await caller.CancelAsync();
                break;

            case "pg_cancel_backend" or "pg_terminate_backend":
                await _database.ScalarAsync<bool>($"SELECT {how}($1)", process);
                break;
        }

        return await merging.WaitAsync(TimeSpan.FromSeconds(60));
    }
}
