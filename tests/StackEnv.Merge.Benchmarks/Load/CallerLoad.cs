using System.Diagnostics;
using StackEnv.Merge.Benchmarks.Contestants;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Lets one contestant merge for a while: each caller merges again as soon as it has its answer.</summary>
internal sealed class CallerLoad(IContestant contestant, StacksDatabase database)
{
    private static readonly TimeSpan LongestFirst = TimeSpan.FromSeconds(3);

    private long _windowStart;
    private long _windowEnd;
    private int _callersBeforeTheirFirst;
    private TaskCompletionSource _allHadTheirFirst = new();
    private volatile bool _stop;

    public async Task RunAsync(IReadOnlyList<Caller> callers, TimeSpan warmUp, TimeSpan window, Tally tally)
    {
        _windowStart = _windowEnd = long.MaxValue;
        _stop = false;
        _callersBeforeTheirFirst = callers.Count;
        _allHadTheirFirst = new(TaskCreationOptions.RunContinuationsAsynchronously);
        foreach (var caller in callers)
        {
            caller.Latencies.Reset();
        }

        var running = Task.WhenAll(callers.Select(caller => Task.Run(() => CallAsync(caller))));

        // A connection that is being opened is no merge. But on a hot row some contestants let a caller wait for its first one for half a
        // minute.
        await Task.WhenAny(running, Task.WhenAll(Task.Delay(warmUp), _allHadTheirFirst.Task), Task.Delay(warmUp + LongestFirst));
        var cpu = ServerCpu.Start(database);
        var allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);
        Volatile.Write(ref _windowStart, Stopwatch.GetTimestamp());
        await Task.WhenAny(running, Task.Delay(window));
        Volatile.Write(ref _windowEnd, Stopwatch.GetTimestamp());
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;
        var serverCpu = cpu?.Elapsed;
        _stop = true;
        await running;

        tally.Add(Stopwatch.GetElapsedTime(_windowStart, _windowEnd), allocated, serverCpu);
        foreach (var caller in callers)
        {
            tally.Latencies.Add(caller.Latencies);
        }
    }

    // What ends within the window counts, whenever it began: a slow contestant is not rounded down to whole turns of all its callers.
    private async Task CallAsync(Caller caller)
    {
        caller.Merged(await contestant.MergeAsync(caller.NextRow, caller.NextChanges()));
        if (Interlocked.Decrement(ref _callersBeforeTheirFirst) == 0)
        {
            _allHadTheirFirst.SetResult();
        }

        var startedAt = Stopwatch.GetTimestamp();
        while (!_stop)
        {
            var env = await contestant.MergeAsync(caller.NextRow, caller.NextChanges());
            var endedAt = Stopwatch.GetTimestamp();
            if (endedAt >= Volatile.Read(ref _windowStart) && endedAt < Volatile.Read(ref _windowEnd))
            {
                caller.Latencies.RecordValue(Stopwatch.GetElapsedTime(startedAt, endedAt).Ticks);
            }

            caller.Merged(env);
            startedAt = endedAt;
        }
    }
}
