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
    public double MergesPerSecond => Merges / Seconds;
}
