namespace StackEnv.Merge.Tests;

/// <summary>A merge leaves the context that its caller runs in, a user interface's for example, as soon as it waits.</summary>
public sealed class CallersContextTests : DatabaseTest
{
    // Which of its waits is the first depends on whether a connection is open and the table is checked already.
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Nothing_of_a_merge_reaches_the_callers_context(bool isFirst, bool withJournal)
    {
        var id = await Database.InsertAsync();
        var merger = withJournal ? Database.MergerWith(new Journal(static (_, _) => [new("SELECT 1")])) : Database.Merger;
        if (!isFirst)
        {
            await merger.MergeAsync(id, Changes());
        }

        var context = new CountingContext();

        var merging = In(context, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.True((await merging).Changed);
        Assert.Equal(0, context.Posts);
    }

    [Fact]
    public async Task Nothing_of_a_merge_that_waits_in_line_reaches_the_callers_context()
    {
        var id = await Database.InsertAsync();
        await using var two = Database.DataSourceWith(static settings => settings.MaxPoolSize = 2); // a line takes one of them
        var merger = new StackEnvMerger(two);
        var holder = await Database.LockAsync(id);
        var first = merger.MergeAsync(id, Changes(("A", "1")));
        var context = new CountingContext();

        var waiting = In(context, () => merger.MergeAsync(id, Changes(("B", "2"))));
        await holder.DisposeAsync();

        Assert.True((await first).Changed);
        Assert.True((await waiting).Changed);
        Assert.Equal(0, context.Posts);
    }

    [Fact]
    public async Task Nothing_of_a_failed_merge_reaches_the_callers_context()
    {
        var id = await Database.InsertAsync();
        var context = new CountingContext();
        await using var holder = await Database.LockAsync(id);

        var merging =
            In(context, () => Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromMilliseconds(20)).MergeAsync(
                id, Changes(("A", "1"))));

        await Assert.ThrowsAsync<LockTimeoutException>(() => merging);
        Assert.Equal(0, context.Posts);
    }

    private static Task<MergeResult> In(SynchronizationContext context, Func<Task<MergeResult>> merge)
    {
        var previous = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(context);
        try
        {
            return merge();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(previous);
        }
    }

    private sealed class CountingContext : SynchronizationContext
    {
        private int _posts;

        public int Posts => Volatile.Read(ref _posts);

        public override void Post(SendOrPostCallback d, object? state)
        {
            Interlocked.Increment(ref _posts);
            base.Post(d, state);
        }
    }
}
