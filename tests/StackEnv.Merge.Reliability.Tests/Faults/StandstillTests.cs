namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>
/// A machine that stands still takes connections, as its kernel does that, and answers nothing: not even a request to cancel.
/// </summary>
public sealed class StandstillTests : DatabaseTest
{
    // The merge's time limit, the driver's for reaching the server once more, and room for a busy machine.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1 + 5 + 1 + 20);

    [Theory]
    [InlineData(200, false)]
    [InlineData(-1, false)]
    [InlineData(200, true)]
    [InlineData(-1, true)]
    public async Task A_server_that_answers_nothing_more_holds_nobody_for_ever(int cancellationTimeout, bool callerGivesUp)
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(
            Database.ConnectionString, settings => (settings.CancellationTimeout, settings.Timeout) = (cancellationTimeout, 1));
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(1) });
        await merger.MergeAsync(id, Changes());
        using var caller = new CancellationTokenSource();
        proxy.CancelRequests = CancelRequests.Hang;
        proxy.Arm(new(FromServer: true, Message: 3, Offset: 0, WireAction.Blackhole));

        var merging = merger.MergeAsync(id, Changes(("A", "1")), caller.Token);
        await proxy.Struck;
        if (callerGivesUp)
        {
            await caller.CancelAsync();
        }

        await Assert.ThrowsAsync<MergeOutcomeUnknownException>(() => merging.WaitAsync(Longest));
        Assert.False((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }
}
