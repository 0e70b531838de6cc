using System.Diagnostics;

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
    public async Task A_silent_server_holds_no_caller_forever(int cancellationTimeout, bool callerGivesUp)
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(
            Database.ConnectionString, settings => (settings.CancellationTimeout, settings.Timeout) = (cancellationTimeout, 1));
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(1) });
        await merger.MergeAsync(id, Changes());
        using var caller = new CancellationTokenSource();
        StandStillInTheNextMerge(proxy);

        var merging = merger.MergeAsync(id, Changes(("A", "1")), caller.Token);
        await proxy.Struck;
        if (callerGivesUp)
        {
            await caller.CancelAsync();
        }

        await Assert.ThrowsAsync<MergeOutcomeUnknownException>(() => merging.WaitAsync(Longest));
        Assert.False((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    // In the driver, the call itself connects to the server once more, and waits for that.
    [Fact]
    public async Task Cancelling_does_not_block_the_caller()
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString, static settings => settings.Timeout = 10);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(20) });
        await merger.MergeAsync(id, Changes());
        using var caller = new CancellationTokenSource();
        StandStillInTheNextMerge(proxy);
        var merging = merger.MergeAsync(id, Changes(("A", "1")), caller.Token);
        await proxy.Struck;

        var watch = Stopwatch.StartNew();
#pragma warning disable CA1849, S6966 // The call that does not return a task is the one that a host's timer makes.
        caller.Cancel();
#pragma warning restore CA1849, S6966
        var blocked = watch.Elapsed;

        await Assert.ThrowsAsync<MergeOutcomeUnknownException>(() => merging.WaitAsync(2 * Longest));
        Assert.InRange(blocked, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(5), 2 * Longest);
    }

    // The driver's rollback on the way back to the pool has Command Timeout, here without a limit.
    [Theory]
    [InlineData(30)]
    [InlineData(0)]
    public async Task Giving_back_a_silent_connection_does_not_block_the_caller(int commandTimeout)
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(
            Database.ConnectionString, settings => settings.CommandTimeout = commandTimeout);
        await using var disposeProxy = proxy;
        var watch = new Stopwatch();
        var journal = new Journal((_, _) =>
        {
            watch.Start();
            proxy.Arm(WireFault.BeforeServer("ROLLBACK", WireAction.Blackhole));
            throw new InvalidOperationException("The journal is full.");
        });
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(1) }, journals: [journal]);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(Longest));

        // A second, and room for a busy machine.
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Contains(typeof(Journal).FullName!, failure.Message, StringComparison.Ordinal);
        Assert.True(proxy.HasStruck);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    // The pool has two connections, so one merge into a row runs at a time.
    [Theory]
    [InlineData(2)]
    [InlineData(0)]
    public async Task A_silent_connection_keeps_its_place_in_line_until_the_driver_gives_it_up(int commandTimeout)
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(
            Database.ConnectionString, settings => (settings.MaxPoolSize, settings.CommandTimeout) = (2, commandTimeout));
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var journal = new Journal((_, result) =>
        {
            if (result.Env.ContainsKey("FAILS"))
            {
                proxy.Arm(WireFault.BeforeServer("ROLLBACK", WireAction.Blackhole));
                throw new InvalidOperationException("The journal is full.");
            }

            return [];
        });
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(30) }, journals: [journal]);
        await merger.MergeAsync(id, Changes());

        var failing = merger.MergeAsync(id, Changes(("FAILS", "1")));
        var next = merger.MergeAsync(id, Changes(("A", "1")));
        await Assert.ThrowsAsync<StackEnvStoreException>(() => failing.WaitAsync(TimeSpan.FromSeconds(20)));
        if (commandTimeout == 0)
        {
            Assert.False(next.IsCompleted);
            proxy.Release(deliver: false);
        }

        Assert.Equal(["A"], (await next.WaitAsync(TimeSpan.FromSeconds(20))).Env.Keys);
    }

    private static void StandStillInTheNextMerge(WireProxy proxy)
    {
        proxy.CancelRequests = CancelRequests.Hang;
        proxy.Arm(new(FromServer: true, Message: 3, Offset: 0, WireAction.Blackhole));
    }
}
