using System.Diagnostics;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>Notes how long this process had to wait for the machine or for a thread of the pool, however little there was to do.</summary>
internal sealed class Heartbeat : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly Thread _thread;
    private volatile bool _stopped;

    public Heartbeat()
    {
        _thread = new(Beat) { IsBackground = true, Name = nameof(Heartbeat) };
        _thread.Start();
    }

    public TimeSpan LongestStall
    {
        get
        {
            lock (_gate)
            {
                return field;
            }
        }

        private set;
    }

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
            ThreadPool.UnsafeQueueUserWorkItem(Note, watch, preferLocal: false);
        }
    }

    private void Note(Stopwatch watch)
    {
        var stall = watch.Elapsed - Interval;
        lock (_gate)
        {
            LongestStall = stall > LongestStall ? stall : LongestStall;
        }
    }
}
