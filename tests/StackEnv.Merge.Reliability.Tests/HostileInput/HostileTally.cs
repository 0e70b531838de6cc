namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Counts the cases by what was to come of them, and how near to the cap they went.</summary>
internal sealed class HostileTally(int near)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, int> _kinds = new(StringComparer.Ordinal);
    private int _near;
    private int _atTheCap;
    private int _oneOver;
    private int _shrunkAboveTheCap;
    private int _oddNames;
    private int _biggest;

    /// <summary>The figures.</summary>
    public IEnumerable<IReadOnlyList<object>> Rows =>
    [
        .. _kinds.Select(static kind => new object[] { kind.Key, kind.Value }),
        ["all", _kinds.Values.Sum()],
        [$"of which within {near} bytes of the cap", _near],
        ["of which exactly at the cap", _atTheCap],
        ["of which one byte over it", _oneOver],
        ["of which above the cap before and after, and smaller", _shrunkAboveTheCap],
        ["of which with odd names, and a table for each", _oddNames],
        ["the biggest document, in bytes", _biggest],
    ];

    public void Add(HostileCase hostile, Expectation expected)
    {
        var told = expected.Told.First();
        var kind = told.Code is "store_error" ? $"{told.Code} {told.Facts}" : told.Code;
        var over = expected.Decision is { Bytes: var bytes } ? bytes - hostile.MaxEnvBytes : int.MinValue;
        lock (_gate)
        {
            _kinds[kind] = _kinds.GetValueOrDefault(kind) + 1;
            _near += over >= -near && over <= near ? 1 : 0;
            _atTheCap += over == 0 ? 1 : 0;
            _oneOver += over == 1 ? 1 : 0;
            _shrunkAboveTheCap += over > 0 && expected.Stored is not null ? 1 : 0;
            _oddNames += hostile.OddNames is null ? 0 : 1;
            _biggest = Math.Max(_biggest, Math.Max(hostile.Document?.CompactBytes ?? 0, expected.Stored?.CompactBytes ?? 0));
        }
    }
}
