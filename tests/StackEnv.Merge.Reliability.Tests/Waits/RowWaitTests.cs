using System.Diagnostics;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>Waits for a row that other sessions hold, by one lock or by many after one another.</summary>
public sealed class RowWaitTests(ITestOutputHelper output, WaitFigures figures) : WaitTest(output, figures)
{
    [Fact]
    public async Task Of_32_merges_behind_one_holder_all_time_out_in_time_and_none_succeeds_late()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        var before = await Database.FootprintAsync(id);
        var merger = new StackEnvMerger(Database.DataSource, OptionsWith(Limit));
        await WarmUpAsync(Database.DataSource, 33);

        await InTimeAsync("32 merges behind one holder", async () =>
        {
            await using var holder = await Database.LockAsync(id);
            var waits = await MergeAtOnceAsync(merger, id, 32);
            Assert.All(waits, static wait => Assert.IsType<LockTimeoutException>(wait.Failure));
            Assert.Equal(0, await WaitersAsync());
            return waits;
        });

        Assert.Equal(0, await InTransactionAsync());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task Writers_that_come_one_after_another_do_not_stretch_the_wait()
    {
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(Database.DataSource, OptionsWith(Limit));
        await WarmUpAsync(Database.DataSource, 20);
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 8).Select(_ => WriteAgainAndAgainAsync(id, stop.Token)).ToArray();

        await InTimeAsync("8 merges among 8 writers that hold the row for 0.4 s each", () => MergeAtOnceAsync(merger, id, 8));

        await stop.CancelAsync();
        await Task.WhenAll(writers);
    }

    [Fact]
    public async Task Merges_with_a_slow_journal_that_wait_for_each_other_do_not_stretch_the_wait()
    {
        var id = await Database.InsertAsync();
        await WarmUpAsync(Database.DataSource, 12);

        await InTimeAsync("12 merges whose journals hold the row for 0.3 s each", async () =>
            await Task.WhenAll(Enumerable.Range(0, 12).Select(async number =>
            {
                // The wait is over when the journal is asked: what comes then is the merge's own time.
                var watch = Stopwatch.StartNew();
                TimeSpan? locked = null;
                var journal = new Journal((_, _) =>
                {
                    locked = watch.Elapsed;
                    return [new NpgsqlBatchCommand("SELECT pg_sleep(0.3)")];
                });
                var merge = await MergeAsync(new(Database.DataSource, OptionsWith(Limit), journals: [journal]), id);
                return merge with { Elapsed = locked ?? merge.Elapsed };
            })));
    }

    // A row that many share is waited for one sharer at a time, each wait with a lock_timeout of its own.
    [Fact]
    public async Task Sharers_that_leave_one_after_another_do_not_stretch_the_wait()
    {
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(Database.DataSource, OptionsWith(Limit));
        await WarmUpAsync(Database.DataSource, 8);

        await InTimeAsync("4 merges behind 4 who share the row and leave at 0.7, 1.4, 2.1 and 2.8 s", async () =>
        {
            var sharers = new List<HeldLock>();
            for (var number = 0; number < 4; number++)
            {
                sharers.Add(await Database.HoldAsync("SELECT FROM stacks WHERE id = $1 FOR SHARE", id));
            }

            var ending = EndOneAfterAnotherAsync(sharers, TimeSpan.FromMilliseconds(700));
            var waits = await MergeAtOnceAsync(merger, id, 4);
            Assert.All(waits, static wait => Assert.IsType<LockTimeoutException>(wait.Failure));
            await ending;
            return waits;
        });
    }

    [Fact]
    public async Task Child_rows_that_are_being_inserted_are_not_waited_for()
    {
        await Database.ExecuteAsync("CREATE TABLE deployments (stack_id uuid REFERENCES stacks (id))");
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(Database.DataSource, OptionsWith(Limit));
        await WarmUpAsync(Database.DataSource, 36);

        await InTimeAsync("32 merges while 4 child rows of the stack are being inserted (FOR KEY SHARE)", async () =>
        {
            var children = new List<HeldLock>();
            for (var number = 0; number < 4; number++)
            {
                children.Add(await Database.HoldAsync("INSERT INTO deployments VALUES ($1)", id));
            }

            var waits = await MergeAtOnceAsync(merger, id, 32);
            Assert.All(waits, static wait => Assert.Null(wait.Failure));
            foreach (var child in children)
            {
                await child.CommitAsync();
                await child.DisposeAsync();
            }

            return waits;
        });
    }

    [Theory]
    [InlineData("FOR SHARE")]
    [InlineData("FOR NO KEY UPDATE")]
    public async Task A_weaker_row_lock_is_waited_for_like_any_other(string strength)
    {
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(Database.DataSource, OptionsWith(Limit));
        await WarmUpAsync(Database.DataSource, 6);

        await InTimeAsync($"4 merges behind {strength}", async () =>
        {
            await using var holder = await Database.HoldAsync($"SELECT FROM stacks WHERE id = $1 {strength}", id);
            var waits = await MergeAtOnceAsync(merger, id, 4);
            Assert.All(waits, static wait => Assert.IsType<LockTimeoutException>(wait.Failure));
            return waits;
        });
    }

    [Fact]
    public async Task A_merge_goes_on_as_soon_as_the_holder_commits()
    {
        var id = await Database.InsertAsync();
        await using var holder = await Database.LockAsync(id);
        var merging = MergeAsync(new(Database.DataSource, OptionsWith(TimeSpan.FromSeconds(60))), id);
        await Database.WaitersAsync(1);

        var watch = Stopwatch.StartNew();
        await holder.CommitAsync();
        var wait = await merging;

        Assert.Null(wait.Failure);
        Report("a merge that goes on when the holder commits, from that moment", [wait with { Elapsed = watch.Elapsed }]);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"It went on {watch.Elapsed} after the row was free.");
    }

    [Fact]
    public async Task Of_32_waiting_merges_that_are_given_up_all_leave_at_once_and_so_do_their_sessions()
    {
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        var merger = new StackEnvMerger(Database.DataSource, OptionsWith(TimeSpan.FromSeconds(60)));
        using var giveUp = new CancellationTokenSource();
        await using (await Database.LockAsync(id))
        {
            var merging = MergeAtOnceAsync(merger, id, 32, giveUp.Token);

            // The others are in line.
            await Database.WaitersAsync(8);

            var watch = Stopwatch.StartNew();
            await giveUp.CancelAsync();
            var waits = await merging;
            var elapsed = watch.Elapsed;

            Assert.All(waits, static wait => Assert.IsType<OperationCanceledException>(wait.Failure));
            Assert.Equal(0, await WaitersAsync());
            Report("32 waiting merges that are cancelled, from that moment", [.. waits.Select(wait => wait with { Elapsed = elapsed })]);
            Assert.True(elapsed < TimeSpan.FromSeconds(5), $"They left {elapsed} after they were given up.");
        }

        Assert.Equal(0, await InTransactionAsync());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    private static async Task EndOneAfterAnotherAsync(IEnumerable<HeldLock> locks, TimeSpan interval)
    {
        foreach (var held in locks)
        {
            await Task.Delay(interval);
            await held.DisposeAsync();
        }
    }

    private async Task WriteAgainAndAgainAsync(Guid id, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await using var writer = await Database.HoldAsync("UPDATE stacks SET created_at = clock_timestamp() WHERE id = $1", id);
            await Task.Delay(400, CancellationToken.None);
            await writer.CommitAsync();
        }
    }
}
