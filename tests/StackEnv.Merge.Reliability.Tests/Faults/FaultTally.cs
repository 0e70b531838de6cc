using System.Collections.Concurrent;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>The figures of the campaign, by what went wrong.</summary>
internal sealed class FaultTally
{
    // Lies and failures of the next merge must be 0 in every row. They are counted like the rest.
    private static readonly (string Column, Func<FaultReport, bool> Counts)[] Figures =
    [
        ("times", static _ => true),
        ("told committed", static report => report.Told.IsCommitted is true),
        ("told not committed", static report => report.Told.IsCommitted is false),
        ("told unknown", static report => report.Told.IsCommitted is null),
        ("of these committed", static report => report.Told.IsCommitted is null && report.WasCommitted),
        ("lies", static report => report.IsLie),
        ("next merge failed", static report => report.NextFailures > 0),
        ("next got a dead idle connection first", static report => report.HasDeadConnection),
        ("next got a late cancel first", static report => report.HasLateCancel),
    ];

    private readonly ConcurrentQueue<FaultReport> _reports = [];

    public static IReadOnlyList<string> Columns { get; } = ["fault", .. Figures.Select(static figure => figure.Column)];

    /// <summary>How many merges were struck.</summary>
    public int Faults => _reports.Count(static report => report.HasStruck);

    /// <summary>How many next merges were cancelled by what was meant for the one before.</summary>
    public int LateCancels => _reports.Count(static report => report.HasLateCancel);

    public IEnumerable<IReadOnlyList<object>> Rows =>
        [.. Enum.GetValues<FaultKind>().Select(kind => Row($"{kind}", report => report.Kind == kind)), Row("all", static _ => true)];

    public void Add(FaultReport report) => _reports.Enqueue(report);

    private IReadOnlyList<object> Row(string name, Func<FaultReport, bool> isMeant)
    {
        var struck = _reports.Where(report => report.HasStruck && isMeant(report)).ToArray();
        return [name, .. Figures.Select(figure => (object)struck.Count(figure.Counts))];
    }
}
