namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>
/// Waits for the whole table, which another session has locked: the server then waits before it even plans a statement.
/// </summary>
public sealed class TableWaitTests(ITestOutputHelper output, WaitFigures figures) : WaitTest(output, figures)
{
    [Theory]
    [InlineData("ACCESS EXCLUSIVE", false, 4)]
    [InlineData("ACCESS EXCLUSIVE", true, 4)]
    [InlineData("EXCLUSIVE", false, 4)]
    [InlineData("EXCLUSIVE", true, 4)]
    [InlineData("SHARE ROW EXCLUSIVE", false, 1)]
    [InlineData("SHARE", false, 1)]
    [InlineData("SHARE", true, 1)]
    public async Task A_table_that_is_locked_is_waited_for_like_a_row(string mode, bool prepared, int merges)
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await using var dataSource = Database.DataSourceWith(
            settings => (settings.MaxAutoPrepare, settings.AutoPrepareMinUsages) = (prepared ? 20 : 0, 1));
        var merger = new StackEnvMerger(dataSource, OptionsWith(Limit));
        await WarmUpAsync(dataSource, 4);
        await MergeAtOnceAsync(merger, id, 16);
        await Database.ExecuteAsync("""UPDATE stacks SET env_vars = '{"A": "1"}' WHERE id = $1""", id);
        var before = await Database.FootprintAsync(id);

        await InTimeAsync($"{merges} behind LOCK TABLE … IN {mode} MODE{(prepared ? ", prepared" : "")}", async () =>
        {
            await using var holder = await Database.HoldAsync($"LOCK TABLE stacks IN {mode} MODE");
            var waits = await MergeAtOnceAsync(merger, id, merges);
            Assert.All(waits, static wait => Assert.IsType<LockTimeoutException>(wait.Failure));
            return waits;
        });

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    // These modes let the locked read pass and stop the UPDATE, whose wait begins when the wait for the row is over.
    [Fact]
    public async Task A_wait_for_the_row_and_then_one_for_the_table_have_the_limit_each()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        var merger = new StackEnvMerger(Database.DataSource, OptionsWith(Limit));
        await WarmUpAsync(Database.DataSource, 4);

        await InTimeAsync("a merge behind a holder of 0.8 s and LOCK TABLE … IN SHARE MODE", async () =>
        {
            await using var table = await Database.HoldAsync("LOCK TABLE stacks IN SHARE MODE");
            await using var row = await Database.LockAsync(id);
            var merging = MergeAsync(merger, id);
            await Task.Delay(800);
            await row.DisposeAsync();
            return [await merging];
        }, limits: 2);
    }
}
