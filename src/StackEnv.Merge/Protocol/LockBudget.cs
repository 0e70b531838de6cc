using System.Diagnostics;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// How long one merge may wait for its row, in line and in all its attempts. Waiting for a connection does not count, nor does reading a
/// large row and writing it.
/// </summary>
internal sealed class LockBudget(TimeSpan limit)
{
    // PostgreSQL takes 0 for no limit.
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    private long? _waitingSince;
    private TimeSpan _spentBefore;

    public TimeSpan Limit => limit;

    public TimeSpan Left => TimeSpan.FromTicks(Math.Max((limit - Spent).Ticks, Shortest.Ticks));

    public bool IsSpent => Spent >= limit;

    public TimeSpan Spent => _spentBefore + (_waitingSince is { } since ? Stopwatch.GetElapsedTime(since) : TimeSpan.Zero);

    public void Start() => _waitingSince = Stopwatch.GetTimestamp();

    public void Stop() => (_spentBefore, _waitingSince) = (Spent, null);
}
