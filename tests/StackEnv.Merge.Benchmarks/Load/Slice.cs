using HdrHistogram;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>What one contestant did in one round.</summary>
/// <param name="Merges">How many merges ended within the window.</param>
/// <param name="Seconds">How long the window was.</param>
/// <param name="P10Milliseconds">What a tenth of the merges stayed below: on a busy machine those that nothing disturbed.</param>
/// <param name="MedianMilliseconds">What half of the merges stayed below.</param>
/// <param name="P99Milliseconds">What 99 % of the merges stayed below.</param>
/// <param name="AllocatedBytes">By a merge, in this process; <see langword="null"/> where it is another that merges.</param>
/// <param name="ServerCpuMicroseconds">By a merge, of all the server's processes; <see langword="null"/> where they cannot be seen.</param>
internal sealed record Slice(
    long Merges,
    double Seconds,
    double P10Milliseconds,
    double MedianMilliseconds,
    double P99Milliseconds,
    double? AllocatedBytes,
    double? ServerCpuMicroseconds)
{
    // To 1 %. A merge that takes longer than this is one that hangs.
    private const long LongestTicks = TimeSpan.TicksPerHour;

    public double MergesPerSecond => Merges / Seconds;

    /// <summary>For durations in ticks.</summary>
    public static LongHistogram NewHistogram() => new(LongestTicks, numberOfSignificantValueDigits: 2);

    /// <summary>The duration, in milliseconds, that this percentage of all stays below; 0 if there is none.</summary>
    public static double MillisecondsAt(HistogramBase latencies, double percentile) =>
        latencies.TotalCount == 0 ? 0 : TimeSpan.FromTicks(latencies.GetValueAtPercentile(percentile)).TotalMilliseconds;

    public static Slice Of(LongHistogram latencies, double seconds, double? allocatedBytes, double? serverCpuMicroseconds) => new(
        latencies.TotalCount,
        seconds,
        MillisecondsAt(latencies, 10),
        MillisecondsAt(latencies, 50),
        MillisecondsAt(latencies, 99),
        allocatedBytes,
        serverCpuMicroseconds);
}
