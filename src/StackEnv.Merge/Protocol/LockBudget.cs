using System.Diagnostics;

namespace StackEnv.Merge.Protocol;

/// <summary>How long one merge may wait for its row, counted from when it first asks for it.</summary>
internal sealed class LockBudget(TimeSpan limit)
{
    // PostgreSQL takes 0 for no limit.
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    private long? _startedAt;

    public TimeSpan Limit => limit;

    public TimeSpan Left => _startedAt is null ? limit : TimeSpan.FromTicks(Math.Max((limit - Elapsed).Ticks, Shortest.Ticks));

    public bool IsSpent => Elapsed >= limit;

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_startedAt ?? Stopwatch.GetTimestamp());

    public void Start() => _startedAt ??= Stopwatch.GetTimestamp();
}
