using System.Diagnostics;
using System.Globalization;
using Npgsql;
using StackEnv.Samples.Postgres;

namespace StackEnv.Merge.Tests;

/// <summary>How long a merge waits for the row, and that the pool is well afterwards.</summary>
public sealed class LockTimeoutTests : DatabaseTest
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(0.5);

    [Fact]
    public async Task A_held_row_ends_the_merge_in_time_and_the_next_one_works()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await using (await Database.LockAsync(id))
        {
            await InTimeAsync(async () =>
            {
                var (failure, waited) = await TimeOutAsync(id);
                Assert.Equal((Limit, true), (failure.LockTimeout, failure.IsTransient));
                Assert.True(waited >= Limit, $"It gave up after {waited}.");
                return waited;
            });
        }

        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "2")))).Changed);
    }

    [Fact]
    public async Task Eight_merges_in_a_queue_each_end_in_time_and_the_next_one_works()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await WarmUpAsync(8);
        await using (await Database.LockAsync(id))
        {
            await InTimeAsync(async () => (await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => TimeOutAsync(id)))).Max(static attempt => attempt.Waited));
        }

        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "2")))).Changed);
    }

    [Fact]
    public async Task Holders_that_come_one_after_another_do_not_stretch_the_wait()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await WarmUpAsync(8);
        using var stop = new CancellationTokenSource();

        // Each of them holds the row for less than lock_timeout, so that no single wait of the merge reaches it.
        var holders = Enumerable.Range(0, 6).Select(_ => HoldAgainAndAgainAsync(id, stop.Token)).ToArray();
        await Database.WaitersAsync(3);
        await InTimeAsync(async () => (await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => OutcomeAsync(id)))).Max());
        await stop.CancelAsync();
        await Task.WhenAll(holders);
    }

    [Fact]
    public async Task A_locked_table_ends_the_merge_in_time()
    {
        var id = await Database.InsertAsync();
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("LOCK TABLE stacks", connection))
        {
            await command.ExecuteNonQueryAsync();
        }

        await InTimeAsync(async () => (await TimeOutAsync(id)).Waited);
    }

    [Fact]
    public async Task A_child_row_that_is_being_inserted_counts_as_a_holder()
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("CREATE TABLE deployments (stack_id uuid REFERENCES stacks (id))");
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand("INSERT INTO deployments VALUES ($1)", connection) { Parameters = { new() { Value = id } } })
        {
            await command.ExecuteNonQueryAsync();
        }

        await TimeOutAsync(id);
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
    public async Task A_statement_that_somebody_cancels_is_not_called_a_lock_timeout()
    {
        var id = await Database.InsertAsync();
        await using var holder = await Database.LockAsync(id);
        var merging = Database.Merger.MergeAsync(id, Changes(("A", "2")));
        await Database.WaitersAsync(1);

        await Database.ExecuteAsync(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1", Database.Schema);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merging);
        Assert.Equal(PostgresErrorCodes.QueryCanceled, failure.SqlState);
    }

    [Fact]
    public async Task The_limits_end_with_the_transaction()
    {
        var id = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(static settings => (settings.MaxPoolSize, settings.NoResetOnClose) = (1, true));
        await using (var connection = await dataSource.OpenConnectionAsync())
        {
            await using var command = new NpgsqlCommand("SET lock_timeout = '7s'; SET statement_timeout = '9s'", connection);
            await command.ExecuteNonQueryAsync();
        }

        await new StackEnvMerger(dataSource).MergeAsync(id, Changes(("A", "1")));

        await using var show = dataSource.CreateCommand("SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')");
        Assert.Equal("7s 9s", await show.ExecuteScalarAsync());
    }

    [Fact]
    public async Task What_was_waited_before_the_guards_turned_out_too_quick_counts()
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

        const string Set = "SET LOCAL lock_timeout = ";
        var limits = log.Take()
            .Where(static statement => statement.StartsWith(Set, StringComparison.Ordinal))
            .Select(static statement => int.Parse(statement.AsSpan(Set.Length), CultureInfo.InvariantCulture))
            .ToArray();
        Assert.Equal(2, limits.Length);
        Assert.Equal(20_000, limits[0]);
        Assert.InRange(limits[1], 1, 19_700);
    }

    // A busy machine may make one attempt late; a wait that is not bounded is late each time.
    private static async Task InTimeAsync(Func<Task<TimeSpan>> attempt)
    {
        var waits = new List<TimeSpan>();
        while (waits.Count < 3)
        {
            waits.Add(await attempt());
            if (waits[^1] <= Limit + Tolerance)
            {
                return;
            }
        }

        Assert.Fail($"The limit is {Limit}, and the slowest merges of three attempts waited for {string.Join(", ", waits)}.");
    }

    // A connection that is still being opened would count as waiting for the row.
    private async Task WarmUpAsync(int connections)
    {
        var opened = await Task.WhenAll(Enumerable.Range(0, connections).Select(async _ => await Database.DataSource.OpenConnectionAsync()));
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

    private async Task<TimeSpan> OutcomeAsync(Guid id)
    {
        var merger = Database.MergerWith(static options => options.LockTimeout = Limit);
        var watch = Stopwatch.StartNew();
        try
        {
            await merger.MergeAsync(id, Changes(("A", "2")));
        }
        catch (LockTimeoutException)
        {
            // Either is right: what counts is when.
        }

        return watch.Elapsed;
    }

    private async Task HoldAgainAndAgainAsync(Guid id, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await using (await Database.LockAsync(id))
            {
                await Task.Delay(400, CancellationToken.None);
            }
        }
    }
}
