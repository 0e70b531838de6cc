using System.Diagnostics;
using System.Text.Json;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>Carries out one <see cref="FaultPlan"/> and compares what the caller is told with what the database holds.</summary>
internal sealed class FaultRun(FaultServer server, FaultLane lane, FaultPlan plan, string marker, LeakWatch watch)
{
    // Enough to count a failure of the next merge, and to end if it always fails.
    private const int MostFailures = 3;

    // Far beyond the longest that any merge may take.
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(60);

    /// <summary>The last failure that the caller was told of.</summary>
    public Exception? Failure { get; private set; }

    private TestDatabase Database => server.Database;

    public async Task<FaultReport> RunAsync()
    {
        await lane.PrepareAsync(plan.EarlierMerges, marker);
        var stack = await Database.InsertAsync(JsonSerializer.Serialize(plan.Merge.Before));
        var holder = plan.Kind == FaultKind.LockedRow ? await Database.LockAsync(stack) : null;
        lane.Proxy.CancelRequests = plan.DropsCancelRequests ? CancelRequests.Drop : CancelRequests.Pass;
        lane.Proxy.Arm(plan.Wire);

        using var caller = new CancellationTokenSource();
        var merging = MergeAsync(stack, caller.Token);
        var struckProcess = await StrikeAsync(merging, caller);
        var hasStruck = holder is not null || lane.Proxy.HasStruck;
        var told = await merging.WaitAsync(Hang);
        Assert.True(!hasStruck || plan.Kind.MayBeTold(told), $"The caller was told {told}, where more is known. {Failure}");
        await MendAsync(holder, struckProcess);

        var (nextFailed, nextFailures) = await MergeNextAsync(
            mayFailOnce: plan.Kind.CancelsOnServer() || (told.IsCommitted is true && plan.Kind.EndsSession()));
        await QuiesceAsync();
        var wasCommitted = await ReadTruthAsync(stack);
        if (told.IsCommitted is null && plan.Kind != FaultKind.TimeLimit)
        {
            await RepeatAsync(stack, wasCommitted);
        }

        return new(plan.Kind, hasStruck, told, wasCommitted, nextFailed, nextFailures);
    }

    private async Task<Told> MergeAsync(Guid stack, CancellationToken cancellationToken)
    {
        try
        {
            var result = await lane.Merger.MergeAsync(stack, plan.Merge.Changes, cancellationToken);
            Assert.Equal(plan.Merge.After, result.Env);
            Assert.Equal(
                (plan.Merge.KeysSet, plan.Merge.KeysDeleted, plan.Merge.After.Count, true),
                (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
            return Told.Of(result);
        }
        catch (Exception refused) when (refused is StackEnvStoreException or LockTimeoutException or MergeOutcomeUnknownException
            || (refused is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            Failure = refused;
            watch.Read(refused);
            return Told.Of(refused);
        }
    }

    // Returns the server process that was struck, if one was.
    private async Task<int> StrikeAsync(Task merging, CancellationTokenSource caller)
    {
        if (plan.Wire is null || await Task.WhenAny(lane.Proxy.Struck, merging) == merging)
        {
            return 0;
        }

        var process = await lane.Proxy.Struck;
        if (plan.Kind.IsOfTheWireAlone())
        {
            return process;
        }

        await Task.Delay(plan.Pause, CancellationToken.None);
        switch (plan.Kind)
        {
            case FaultKind.Silence or FaultKind.Blackhole:
                await caller.CancelAsync();
                return process;

            case FaultKind.CancelledToken:
                await caller.CancelAsync();
                break;

            case FaultKind.TerminatedSession:
                await Database.ExecuteAsync("SELECT pg_terminate_backend($1)", process);
                break;

            case FaultKind.CancelledQuery:
                await Database.ExecuteAsync("SELECT pg_cancel_backend($1)", process);
                break;

            case FaultKind.FrozenProcess:
                await RestartableCluster.FreezeBackendAsync(process);
                lane.Proxy.Release(deliver: true);
                await Task.Delay(plan.Pause, CancellationToken.None);
                await caller.CancelAsync();
                break;

            case FaultKind.KilledProcess:
                await RestartableCluster.KillBackendAsync(process);
                break;

            case FaultKind.FastRestart:
                await server.Cluster!.StopAsync(ShutdownMode.Fast);
                break;

            case FaultKind.ImmediateRestart:
                await server.Cluster!.StopAsync(ShutdownMode.Immediate);
                break;
        }

        lane.Proxy.Release(deliver: true);
        return process;
    }

    private async Task MendAsync(HeldLock? holder, int struckProcess)
    {
        lane.Proxy.Release(deliver: plan.Delivers || plan.Wire?.Action != WireAction.Blackhole);
        if (holder is not null)
        {
            await holder.DisposeAsync();
        }

        if (struckProcess == 0)
        {
            return;
        }

        switch (plan.Kind)
        {
            case FaultKind.FrozenProcess:
                await RestartableCluster.ThawBackendAsync(struckProcess);
                break;

            case FaultKind.KilledProcess:
                await server.Cluster!.WaitUntilReadyAsync();
                break;

            case FaultKind.FastRestart or FaultKind.ImmediateRestart:
                await server.Cluster!.StartAgainAsync();
                break;
        }

        if (plan.Kind.StopsServer())
        {
            // The test's own connections are not under test.
            Database.DataSource.Clear();
        }
    }

    // The very next merge on the same data source succeeds, with two exceptions. If the server, or a pooler, ended the session after the
    // merge had been answered, the connection returned to the pool looking healthy, and the next merge gets it. And a cancel that comes so
    // late that the server process notices it only in its next statement hits the next merge, or the reset that the driver sends before
    // it. That one merge gets a correct error, and the one after it succeeds.
    private async Task<(bool Failed, int Failures)> MergeNextAsync(bool mayFailOnce)
    {
        var (failed, failures) = (false, 0);
        while (failures < MostFailures)
        {
            var value = $"{marker} {Guid.NewGuid()}";
            StackEnvMergeException failure;
            try
            {
                await lane.Merger.MergeAsync(lane.Stack, new Dictionary<string, string?> { ["NEXT"] = value }).WaitAsync(Hang);
                Assert.Equal(value, await NextAsync());
                return (failed, failures);
            }
            catch (StackEnvMergeException refused)
            {
                watch.Read(refused);
                failure = refused;
            }

            Assert.True(
                failure is MergeOutcomeUnknownException || !string.Equals(value, await NextAsync(), StringComparison.Ordinal),
                $"The next merge was told not committed, and was committed. {failure}");
            if (mayFailOnce && !failed && failure is MergeOutcomeUnknownException
                or StackEnvStoreException { IsTransient: true } or StackEnvStoreException { SqlState: PostgresErrorCodes.QueryCanceled })
            {
                failed = true;
            }
            else
            {
                failures++;
                Failure = failure;
            }
        }

        return (failed, failures);
    }

    private Task<string?> NextAsync() => Database.ScalarAsync<string?>("SELECT env_vars ->> 'NEXT' FROM stacks WHERE id = $1", lane.Stack);

    // Only the session that served the next merge may be left, and that has answered all that it was asked before. Any other may still be
    // carrying out what it has received, also one whose caller no longer waits for its rollback: that one returns to the pool.
    private async Task QuiesceAsync()
    {
        lane.EndSessions();
        var others = lane.Proxy.Processes.Where(process => process != lane.Proxy.NewestProcess).ToArray();
        var startedAt = Stopwatch.GetTimestamp();
        while (others.Length > 0 && await Database.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY ($1) AND application_name = $2", others, Database.Schema) > 0)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(startedAt) < Hang, "A session of the merge is left on the server, and is not in the pool.");
            await Task.Delay(1);
        }
    }

    private async Task<bool> ReadTruthAsync(Guid stack)
    {
        var env = JsonSerializer.Deserialize<Dictionary<string, string>>((await Database.EnvAsync(stack))!)!;
        var isAfter = Same(env, plan.Merge.After);
        Assert.True(isAfter || Same(env, plan.Merge.Before), "The row holds neither what it held before nor what the merge makes of it.");
        var audited = await Database.ScalarAsync<string>(
            "SELECT concat_ws(' ', count(*), bool_and(env = (SELECT env_vars FROM stacks WHERE id = $1))) FROM audit WHERE stack = $1",
            stack);
        var expected = isAfter && lane.Settings.HasJournal ? "1 t" : "0";
        Assert.True(
            string.Equals(expected, audited, StringComparison.Ordinal),
            $"The merge was {(isAfter ? "" : "not ")}committed, and its audit rows are: {audited}.");
        return isAfter;
    }

    private async Task RepeatAsync(Guid stack, bool wasCommitted)
    {
        var result = await lane.Merger.MergeAsync(stack, plan.Merge.Changes);
        Assert.Equal(plan.Merge.After, result.Env);
        Assert.NotEqual(wasCommitted, result.Changed);
    }

    private static bool Same(Dictionary<string, string> one, Dictionary<string, string> other) =>
        one.Count == other.Count
            && one.All(entry => other.TryGetValue(entry.Key, out var value) && string.Equals(value, entry.Value, StringComparison.Ordinal));
}
