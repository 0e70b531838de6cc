namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>Only the server can say that the row was not free in time. A silent network and a pooler say nothing about it.</summary>
public sealed class ServersWordTests : DatabaseTest
{
    [Theory]
    [InlineData(WireAction.Silence)]
    [InlineData(WireAction.Blackhole)]
    public async Task A_network_that_is_silent_until_the_time_limit_is_not_a_lock_timeout(WireAction action)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, TimeSpan.FromMilliseconds(1), withJournal: true);
        lane.Proxy.Arm(new(FromServer: true, Message: 0, Offset: 0, action));

        await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () =>
                lane.Merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(TimeSpan.FromSeconds(60)));

        lane.Proxy.Release(deliver: false);
        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_network_that_loses_the_batch_is_not_a_lock_timeout()
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, TimeSpan.FromMilliseconds(1), withJournal: true);
        lane.Proxy.Arm(new(FromServer: false, Message: 2, Offset: 0, WireAction.Silence));

        await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () =>
                lane.Merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(TimeSpan.FromSeconds(60)));

        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_lock_that_the_server_did_not_get_is_a_lock_timeout(bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, TimeSpan.FromMilliseconds(50), withJournal: withJournal);
        await using var holder = await Database.LockAsync(id);

        await Assert.ThrowsAsync<LockTimeoutException>(() => lane.Merger.MergeAsync(id, Changes(("A", "1"))));
    }
}
