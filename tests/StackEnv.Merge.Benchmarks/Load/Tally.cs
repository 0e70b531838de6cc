namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Adds up what one contestant does in the turns of one round.</summary>
internal sealed class Tally
{
    private TimeSpan _time;
    private long _allocatedBytes;
    private TimeSpan? _serverCpu = TimeSpan.Zero;

    public LatencyHistogram Latencies { get; } = new();

    public void Add(TimeSpan window, long allocatedBytes, TimeSpan? serverCpu)
    {
        _time += window;
        _allocatedBytes += allocatedBytes;
        _serverCpu += serverCpu;
    }

    public Slice ToSlice() => new(
        Latencies.Count,
        _time.TotalSeconds,
        Latencies.Quantile(0.1).TotalMilliseconds,
        Latencies.Quantile(0.5).TotalMilliseconds,
        Latencies.Quantile(0.99).TotalMilliseconds,
        (double)_allocatedBytes / Latencies.Count,
        _serverCpu?.TotalMicroseconds / Latencies.Count);
}
