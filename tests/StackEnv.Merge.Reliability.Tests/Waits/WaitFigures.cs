using System.Globalization;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>The waits that the tests of one run have seen, one line for each situation.</summary>
public sealed class WaitFigures
{
    private readonly List<IReadOnlyList<object>> _rows = [];

    internal void Add(Campaign campaign, string situation, IReadOnlyCollection<Wait> waits, IReadOnlyCollection<string> late)
    {
        _rows.Add(
        [
            situation,
            waits.Count,
            waits.Count(static wait => wait.Failure is LockTimeoutException),
            waits.Count(static wait => wait.Failure is OperationCanceledException),
            waits.Count(static wait => wait.Failure is null),
            string.Create(CultureInfo.InvariantCulture, $"{waits.Max(static wait => wait.Elapsed).TotalMilliseconds:F0} ms"),
            late.Count == 0 ? "none" : string.Join("; ", late),
        ]);
        campaign.ReportTable(
            ["situation", "merges", "lock time-outs", "cancelled", "went on", "longest wait", "late attempts, made again"], _rows);
    }
}
