using System.Numerics;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Counts durations in buckets that are less than 1 % wide, so that recording one allocates nothing.</summary>
internal sealed class LatencyHistogram
{
    private const int BucketBits = 7;
    private const int BucketsOfAnOctave = 1 << BucketBits;

    private readonly long[] _counts = new long[(64 - BucketBits) * BucketsOfAnOctave];

    public long Count { get; private set; }

    public void Record(TimeSpan duration)
    {
        _counts[BucketOf(duration.Ticks)]++;
        Count++;
    }

    public void Clear()
    {
        Array.Clear(_counts);
        Count = 0;
    }

    public void Add(LatencyHistogram other)
    {
        for (var bucket = 0; bucket < _counts.Length; bucket++)
            _counts[bucket] += other._counts[bucket];
        Count += other.Count;
    }

    /// <summary>The duration that this share of all stays below.</summary>
    public TimeSpan Quantile(double share)
    {
        var wanted = Math.Max(1, (long)Math.Ceiling(share * Count));
        long seen = 0;
        for (var bucket = 0; bucket < _counts.Length; bucket++)
        {
            seen += _counts[bucket];
            if (seen >= wanted)
                return TimeSpan.FromTicks(LowerBoundOf(bucket));
        }

        return TimeSpan.Zero;
    }

    // Below one octave's worth of ticks each has a bucket to itself; above, each octave is cut into the same number of them.
    private static int BucketOf(long ticks)
    {
        var octave = Math.Max(0, BitOperations.Log2((ulong)ticks) - BucketBits);
        return (octave * BucketsOfAnOctave) + (int)(ticks >> octave);
    }

    private static long LowerBoundOf(int bucket)
    {
        var octave = Math.Max(0, (bucket / BucketsOfAnOctave) - 1);
        return (long)(bucket - (octave * BucketsOfAnOctave)) << octave;
    }
}
