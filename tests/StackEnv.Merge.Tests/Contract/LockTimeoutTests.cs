using System.Diagnostics;
using System.Globalization;
using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Tests;

/// <summary>How long a merge waits for the row, and that the pool stays usable.</summary>
public sealed class LockTimeoutTests : DatabaseTest
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    // The machine may be busy with other tests; how exact the limit is on an idle one is measured by the reliability tests.
    private static readonly TimeSpan Bound = 5 * Limit;

    [Fact]
    public async Task A_held_row_ends_the_merge_in_time_and_the_next_one_works()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await using (await Database.LockAsync(id))
        {
            var (failure, waited) = await TimeOutAsync(id);
            Assert.Equal((Limit, true), (failure.LockTimeout, failure.IsTransient));
            Assert.InRange(waited, Limit, Bound);
        }

        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "2")))).Changed);
    }

    [Fact]
    public async Task Eight_merges_in_a_queue_each_end_in_time_and_the_next_one_works()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await WarmUpAsync(9);
        await using (await Database.LockAsync(id))
        {
            var attempts = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => TimeOutAsync(id)));
            Assert.All(attempts, static attempt => Assert.InRange(attempt.Waited, Limit, Bound));
        }

        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "2")))).Changed);
    }

    [Fact]
    public async Task Holders_that_leave_one_after_another_do_not_stretch_the_wait()
    {
        var id = await Database.InsertAsync();
        var holders = new List<HeldLock>();
        for (var number = 0; number < 8; number++)
        {
            holders.Add(await Database.HoldAsync("SELECT FROM stacks WHERE id = $1 FOR SHARE", id));
        }

        var merging = TimeOutAsync(id);
        await Database.WaitersAsync(1);

        // The server waits for one holder after the other, and no single wait reaches lock_timeout: the sum of them has to.
        foreach (var holder in holders)
        {
            await Task.WhenAny(merging, Task.Delay(0.6 * Limit));
            await holder.DisposeAsync();
        }

        await merging;
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData("LOCK TABLE stacks")]
    [InlineData("LOCK TABLE stacks IN SHARE MODE")]
    public async Task A_locked_table_ends_the_merge_in_time_also_if_it_is_locked_against_writes_only(string lockTable)
    {
        var id = await Database.InsertAsync();
        await using var holder = await Database.HoldAsync(lockTable);

        Assert.InRange((await TimeOutAsync(id)).Waited, Limit, Bound);
    }

    [Theory]
    [InlineData("BEFORE UPDATE", "PERFORM FROM held FOR UPDATE")]
    [InlineData("BEFORE UPDATE", "LOCK TABLE held")]
    [InlineData("BEFORE UPDATE", "INSERT INTO held VALUES (2)")]
    [InlineData("AFTER UPDATE", "PERFORM pg_advisory_xact_lock(number) FROM held")]
    [InlineData("journal", "SELECT FROM held FOR UPDATE")]
    [InlineData("journal", "INSERT INTO held VALUES (2)")]
    [InlineData("COMMIT", "PERFORM FROM held FOR UPDATE")]
    public async Task A_wait_for_another_lock_ends_in_time_too_and_is_not_a_lock_timeout_of_the_row(string where, string waits)
    {
        var limit = Limit / 4;
        var key = Database.Schema.GetHashCode(StringComparison.Ordinal);
        await Database.ExecuteAsync($"CREATE TABLE held (number int PRIMARY KEY); INSERT INTO held VALUES ({key})");
        if (where != "journal")
        {
            await Database.ExecuteAsync(where == "COMMIT" ? Trigger.InCommit(waits) : Trigger.On(waits, where));
        }

        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        var merger = new StackEnvMerger(
            Database.DataSource,
            new() { LockTimeout = limit },
            journals: where == "journal" ? [new Journal((_, _) => [new(waits)])] : []);
        await using (var holder = await Database.HoldAsync("SELECT FROM held, pg_advisory_xact_lock(number) FOR UPDATE OF held"))
        {
            await holder.ExecuteAsync("INSERT INTO held VALUES (2)");

            var watch = Stopwatch.StartNew();
            var failure = await MergeFails.WithAsync(
                MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

            Assert.InRange(watch.Elapsed, limit, Bound);
            Assert.Equal(PostgresErrorCodes.LockNotAvailable, Assert.IsType<StackEnvStoreException>(failure).SqlState);
            Assert.DoesNotContain("NOTIFY", failure.Message, StringComparison.Ordinal);
            Assert.Equal(before, await Database.FootprintAsync(id));
        }

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    // Without an index the server looks at every row, also after it has locked this one.
    [Fact]
    public async Task A_search_that_goes_on_after_the_row_is_locked_ends_in_time_too_and_is_not_a_lock_timeout()
    {
        var (id, other) = (await Database.InsertAsync(), await Database.InsertAsync());
        await Database.ExecuteAsync(
            $"""
            CREATE TABLE heap AS SELECT * FROM stacks ORDER BY id <> '{id}';
            CREATE FUNCTION is_found(id uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
                $$ BEGIN IF id = '{other}' THEN PERFORM pg_sleep(60); END IF; RETURN true; END $$;
            CREATE VIEW slow AS SELECT * FROM heap WHERE is_found(id);
            """);
        var merger = new StackEnvMerger(Database.DataSource, new() { Table = "slow", LockTimeout = Limit / 4 });

        var watch = Stopwatch.StartNew();
        var failure = await MergeFails.WithAsync(MergeFails.StoreError, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.InRange(watch.Elapsed, Limit / 4, Bound);
        Assert.Equal(PostgresErrorCodes.QueryCanceled, Assert.IsType<StackEnvStoreException>(failure).SqlState);
    }

    [Fact]
    public async Task A_child_row_that_is_being_inserted_is_not_waited_for()
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("CREATE TABLE deployments (stack_id uuid REFERENCES stacks (id))");
        await using var child = await Database.HoldAsync("INSERT INTO deployments VALUES ($1)", id);

        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
        await child.CommitAsync();
    }

    [Fact]
    public async Task A_child_row_can_be_inserted_while_a_merge_holds_its_stack()
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("CREATE TABLE deployments (stack_id uuid REFERENCES stacks (id))");
        using var goOn = new ManualResetEventSlim();
        var merging = await HoldWithAMergeAsync(id, goOn);

        await Database.ExecuteAsync("SET lock_timeout = '1s'; INSERT INTO deployments SELECT id FROM stacks");

        goOn.Set();
        Assert.True((await merging).Changed);
    }

    [Fact]
    public async Task While_a_merge_holds_its_stack_a_plain_read_gets_the_old_set_at_once_and_the_table_is_locked_as_by_any_UPDATE()
    {
        var id = await Database.InsertAsync("""{"A": "old"}""");
        using var goOn = new ManualResetEventSlim();
        var merging = await HoldWithAMergeAsync(id, goOn);

        var read = await Database.EnvAsync(id);

        // A locked read takes ROW SHARE, which is weaker.
        var locks = await Database.ScalarAsync<string>(
            "SELECT string_agg(DISTINCT mode, ' ' ORDER BY mode) FROM pg_locks " +
            "WHERE relation = 'stacks'::regclass AND mode NOT IN ('AccessShareLock', 'RowShareLock')");

        Assert.False(merging.IsCompleted);
        goOn.Set();
        Assert.True((await merging).Changed);
        Assert.Equal(("""{"A": "old"}""", "RowExclusiveLock"), (read, locks));
    }

    [Fact]
    public async Task The_wait_for_a_connection_does_not_count()
    {
        var id = await Database.InsertAsync();
        await using var log = await StatementLog.StartAsync(
            new NpgsqlConnectionStringBuilder(Database.ConnectionString) { MaxPoolSize = 1 }.ConnectionString);
        var merger = new StackEnvMerger(log.DataSource, new() { LockTimeout = Limit });
        Task<MergeResult> merging;
        await using (await log.DataSource.OpenConnectionAsync())
        {
            merging = merger.MergeAsync(id, Changes(("A", "1")));
            await Task.Delay(1.5 * Limit);
            Assert.False(merging.IsCompleted);
        }

        Assert.True((await merging).Changed);

        // The wait for the row has the whole limit.
        Assert.Contains("SET LOCAL lock_timeout = 1000", log.Take());
    }

    [Fact]
    public async Task A_limit_of_one_millisecond_and_the_longest_one_are_both_understood()
    {
        var id = await Database.InsertAsync();
        var longest = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromMilliseconds(int.MaxValue));
        Assert.True((await longest.MergeAsync(id, Changes(("A", "1")))).Changed);

        await using var holder = await Database.LockAsync(id);
        var shortest = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromMilliseconds(1));
        await Assert.ThrowsAsync<LockTimeoutException>(() => shortest.MergeAsync(id, Changes(("A", "2"))));
    }

    [Fact]
    public async Task A_statement_that_an_administrator_cancels_is_not_a_lock_timeout()
    {
        var id = await Database.InsertAsync();
        await using var holder = await Database.LockAsync(id);
        var merging = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromMinutes(1))
            .MergeAsync(id, Changes(("A", "2")));
        await Database.WaitersAsync(1);

        await Database.ExecuteAsync(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1",
            Database.Schema);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merging);
        Assert.Equal(PostgresErrorCodes.QueryCanceled, failure.SqlState);
    }

    [Fact]
    public async Task The_limits_end_with_the_transaction()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(
            static settings => (settings.MaxPoolSize, settings.NoResetOnClose) = (1, true));
        await using (var connection = await dataSource.OpenConnectionAsync())
        {
            await using var command = new NpgsqlCommand("SET lock_timeout = '7s'; SET statement_timeout = '9s'", connection);
            await command.ExecuteNonQueryAsync();
        }

        await new StackEnvMerger(dataSource).MergeAsync(id, Changes(("A", "1")));

        await using var show = dataSource.CreateCommand(
            "SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')");
        Assert.Equal("7s 9s", await show.ExecuteScalarAsync());
    }

    [Fact]
    public async Task The_wait_before_a_second_attempt_counts()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await using var log = await StatementLog.StartAsync(Database.ConnectionString);
        var merger = new StackEnvMerger(log.DataSource, new() { MaxEnvBytes = 20, LockTimeout = TimeSpan.FromSeconds(20) });
        Task<MergeResult> merging;
        await using (await Database.LockAsync(id))
        {
            merging = merger.MergeAsync(id, Changes(("A", "123456")));
            await Database.WaitersAsync(1);
            await Task.Delay(300);
        }

        Assert.True((await merging).Changed);

        var statements = log.Take();
        var limits = LimitsIn("SET LOCAL lock_timeout = ");
        Assert.Equal(2, limits.Length);
        Assert.Equal(20_000, limits[0]);
        Assert.InRange(limits[1], 2, 19_900);
        Assert.Equal(limits.Select(static limit => limit + 100), LimitsIn("SET LOCAL statement_timeout = "));

        int[] LimitsIn(string set) =>
        [
            .. statements.Where(statement => statement.StartsWith(set, StringComparison.Ordinal))
                .Select(statement => int.Parse(statement.AsSpan(set.Length), CultureInfo.InvariantCulture)),
        ];
    }

    // Returns the merge once it holds its row.
    private async Task<Task<MergeResult>> HoldWithAMergeAsync(Guid id, ManualResetEventSlim goOn)
    {
        var held = new TaskCompletionSource();
        var journal = new Journal((_, _) =>
        {
            held.SetResult();
            goOn.Wait(TimeSpan.FromSeconds(60));
            return [];
        });
        var merger = new StackEnvMerger(Database.DataSource, new() { LockTimeout = TimeSpan.FromMinutes(1) }, journals: [journal]);
        var merging = Task.Run(() => merger.MergeAsync(id, Changes(("A", "1"))));
        await held.Task;
        return merging;
    }

    // A connection that is still being opened would count as waiting for the row.
    private async Task WarmUpAsync(int connections)
    {
        var opened = await Task.WhenAll(
            Enumerable.Range(0, connections).Select(async _ => await Database.DataSource.OpenConnectionAsync()));
        foreach (var connection in opened)
        {
            await connection.DisposeAsync();
        }
    }

    private async Task<(LockTimeoutException Failure, TimeSpan Waited)> TimeOutAsync(Guid id)
    {
        var merger = Database.MergerWith(static options => options.LockTimeout = Limit);
        var watch = Stopwatch.StartNew();
        var failure = await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("A", "2"))));
        return (failure, watch.Elapsed);
    }
}
