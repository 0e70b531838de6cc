namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>The figures of the campaign, by what went wrong.</summary>
internal sealed class FaultTally
{
    private readonly Lock _gate = new();
    private readonly List<FaultReport> _reports = [];

    /// <summary>How many merges were struck.</summary>
    public int Faults => Count(static report => report.HasStruck);

    /// <summary>How many callers were told what is not true.</summary>
    public int Lies => Count(static report => report.IsLie);

    /// <summary>How many next merges failed without an excuse.</summary>
    public int BrokenPools => Count(static report => report.HasBrokenPool);

    /// <summary>How many next merges were cancelled by what was meant for the one before.</summary>
    public int LateCancels => Count(static report => report.HasLateCancel);

    public static IReadOnlyList<string> Columns { get; } =
        ["fault", "times", "told committed", "told not committed", "told unknown", "of these committed", "lies", "next merge failed", "next got a dead idle connection first", "next got a late cancel first"];

    public void Add(FaultReport report)
    {
        lock (_gate)
        {
            _reports.Add(report);
        }
    }

    public IEnumerable<IReadOnlyList<object>> Rows()
    {
        lock (_gate)
        {
            var struck = _reports.Where(static report => report.HasStruck).ToArray();
            return [.. Enum.GetValues<FaultKind>().Select(kind => Row(kind.ToString(), [.. struck.Where(report => report.Kind == kind)])), Row("all", struck)];
        }
    }

    private static IReadOnlyList<object> Row(string name, FaultReport[] reports) =>
    [
        name,
        reports.Length,
        reports.Count(static report => report.Told == Told.Committed),
        reports.Count(static report => report.Told == Told.NotCommitted),
        reports.Count(static report => report.Told == Told.Unknown),
        reports.Count(static report => report.Told == Told.Unknown && report.WasCommitted),
        reports.Count(static report => report.IsLie),
        reports.Count(static report => report.HasBrokenPool),
        reports.Count(static report => report.HasDeadConnection),
        reports.Count(static report => report.HasLateCancel),
    ];

    private int Count(Func<FaultReport, bool> isCounted)
    {
        lock (_gate)
        {
            return _reports.Count(isCounted);
        }
    }
}
