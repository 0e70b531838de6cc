using System.Diagnostics.Metrics;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>How many merges of this test are in line, as the library's own metric says.</summary>
internal sealed class WaitingMerges : IDisposable
{
    private static readonly AsyncLocal<WaitingMerges?> Current = new();

    private readonly MeterListener _listener = new();
    private int _count;
    private int _entered;

    public WaitingMerges()
    {
        Current.Value = this;
        _listener.InstrumentPublished = static (instrument, listener) =>
        {
            if (instrument is { Meter.Name: "StackEnv.Merge", Name: "stackenv.merge.line.waiting" })
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<int>(static (_, change, _, _) => Current.Value?.Note(change));
        _listener.Start();
    }

    public int Count => Volatile.Read(ref _count);

    public int Entered => Volatile.Read(ref _entered);

    public void Dispose() => _listener.Dispose();

    private void Note(int change)
    {
        Interlocked.Add(ref _count, change);
        Interlocked.Add(ref _entered, Math.Max(change, 0));
    }
}
