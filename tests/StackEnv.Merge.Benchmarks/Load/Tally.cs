using HdrHistogram;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Adds up what one contestant does in the turns of one round.</summary>
internal sealed class Tally
{
    private TimeSpan _time;
    private long _allocatedBytes;
    private TimeSpan? _serverCpu = TimeSpan.Zero;

    public LongHistogram Latencies { get; } = Slice.NewHistogram();

    public void Add(TimeSpan window, long allocatedBytes, TimeSpan? serverCpu)
    {
        _time += window;
        _allocatedBytes += allocatedBytes;
        _serverCpu += serverCpu;
    }

    public Slice ToSlice() => Slice.Of(
        Latencies, _time.TotalSeconds, (double)_allocatedBytes / Latencies.TotalCount,
        _serverCpu?.TotalMicroseconds / Latencies.TotalCount);
}
