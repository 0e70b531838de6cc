using System.Diagnostics;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>Notes when the machine gives this process no time: a thread of its own that has nothing to do but to wake up.</summary>
internal sealed class Heartbeat : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly Thread _thread;
    private volatile bool _stopped;
    private long _longestTicks;

    public Heartbeat()
    {
        _thread = new(Beat) { IsBackground = true, Name = nameof(Heartbeat) };
        _thread.Start();
    }

    /// <summary>The longest that the machine stood still.</summary>
    public TimeSpan LongestStall => TimeSpan.FromTicks(Interlocked.Read(ref _longestTicks));

    public void Dispose()
    {
        _stopped = true;
        _thread.Join();
    }

    private void Beat()
    {
        while (!_stopped)
        {
            var watch = Stopwatch.StartNew();
            Thread.Sleep(Interval);
            Interlocked.Exchange(ref _longestTicks, Math.Max(LongestStall.Ticks, (watch.Elapsed - Interval).Ticks));
        }
    }
}
