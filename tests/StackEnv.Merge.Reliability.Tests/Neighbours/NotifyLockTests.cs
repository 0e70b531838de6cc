using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// Transactions that NOTIFY commit one after the other, in the whole server: they take
/// <see href="https://www.postgresql.org/docs/current/sql-notify.html">one lock</see> within COMMIT. A merge that waits for it has its
/// row.
/// </summary>
public sealed class NotifyLockTests(AbsentStandby standby) : IClassFixture<AbsentStandby>, IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await standby.CreateDatabaseAsync();

    public Task DisposeAsync() => _database.DisposeAsync().AsTask();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_wait_for_another_transactions_NOTIFY_is_not_a_lock_timeout(bool withJournal)
    {
        if (!withJournal)
        {
            await _database.ExecuteAsync(
                "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_notify(''merged'', NEW.id::text); RETURN " +
                "NULL; END'");
            await _database.ExecuteAsync("CREATE TRIGGER tell AFTER UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION tell()");
        }

        var id = await _database.InsertAsync();
        var before = await _database.FootprintAsync(id);
        var merger = new StackEnvMerger(
            _database.DataSource,
            new() { LockTimeout = TimeSpan.FromMilliseconds(300) },
            journals: withJournal ? [new Journal(static (_, _) => [new("NOTIFY merged")])] : []);

        // Its COMMIT has the lock, and waits for a standby, as it has written something.
        await using var waiting = AbsentStandby.WaitingDataSource(_database);
        await using var notify = waiting.CreateCommand("INSERT INTO stacks (slug) VALUES ('other'); NOTIFY other");
        var notifying = notify.ExecuteNonQueryAsync();
        var process = await AbsentStandby.WaiterAsync(_database, notifying);

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, new Dictionary<string, string?> { ["A"] = "1" }));

        Assert.Equal(PostgresErrorCodes.LockNotAvailable, ((StackEnvStoreException)failure).SqlState);
        Assert.Contains("NOTIFY", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("holds its row", failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, await _database.FootprintAsync(id));
        await _database.ScalarAsync<bool>("SELECT pg_cancel_backend($1)", process);
        await notifying;
        Assert.True((await merger.MergeAsync(id, new Dictionary<string, string?> { ["A"] = "1" })).Changed);
    }
}
