using System.Globalization;
using HdrHistogram;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>
/// One caller, which merges into its rows in turn. Each merge sets two keys: one that every merge sets, and one of two that take turns. If
/// no other caller writes them, the set after each merge has to hold what the merge before it wrote: a lost update shows at once. If
/// callers share them, the set at the end has to be what one of them wrote last.
/// </summary>
internal sealed class Caller
{
    /// <summary>How many keys of each row a caller writes.</summary>
    public const int OwnKeys = 3;

    /// <summary>How many callers of one row write keys of their own; each further one shares the keys of one of them.</summary>
    public const int MostWriters = 8;

    private const int DistinctValues = 1_000;
    private const string Every = "EVERY";
    private const string Turn0 = "TURN0";
    private const string Turn1 = "TURN1";

    private readonly Guid[] _rows;
    private readonly string[] _values;
    private readonly bool _sharesKeys;
    private readonly int[] _merges;
    private readonly string _every;
    private readonly string[] _turns;
    private readonly int _keysOfTheSet;
    private readonly Dictionary<string, string?>[] _changes;
    private int _at;

    public Caller(int number, IReadOnlyList<Guid> rows, int keysOfTheSet, bool sharesKeys)
    {
        _rows = [.. rows];
        _values = [.. Enumerable.Range(0, DistinctValues).Select(merge => ValueOf(number, merge))];
        _sharesKeys = sharesKeys;
        _merges = new int[_rows.Length];
        _every = KeyOf(number, Every);
        _turns = [KeyOf(number, Turn0), KeyOf(number, Turn1)];
        _keysOfTheSet = keysOfTheSet;
        _changes = [.. _turns.Select(turn => new Dictionary<string, string?>(StringComparer.Ordinal) { [_every] = "", [turn] = "" })];
    }

    /// <summary>The durations of the merges that ended within the window.</summary>
    public LongHistogram Latencies { get; } = Slice.NewHistogram();

    public IReadOnlyList<Guid> Rows => _rows;

    public Guid NextRow => _rows[_at];

    /// <summary>The same for callers that share their keys.</summary>
    public string KeyOfEveryMerge => _every;

    /// <summary>What the caller's keys hold at the beginning, in each of its rows.</summary>
    public static IEnumerable<KeyValuePair<string, string>> InitialKeys(int number) =>
        new[] { Every, Turn0, Turn1 }.Select(name => KeyValuePair.Create(KeyOf(number, name), ValueOf(number, merge: 0)));

    /// <summary>The changes of the next merge. They stay as they are until <see cref="Merged"/>.</summary>
    public IReadOnlyDictionary<string, string?> NextChanges()
    {
        var merge = _merges[_at] + 1;
        var changes = _changes[merge % 2];
        changes[_every] = changes[_turns[merge % 2]] = _values[merge % DistinctValues];
        return changes;
    }

    /// <summary>Notes that the merge is done, and checks the set that it led to, if it is known.</summary>
    public void Merged(IReadOnlyDictionary<string, string>? env)
    {
        var merge = ++_merges[_at];
        if (env is not null && !(env.Count == _keysOfTheSet && WroteLast(_at, env)))
        {
            throw new WrongRowException(
                $"The set of stack {NextRow} is not what merge {merge} of its caller had to lead to: an update was lost.");
        }

        _at = (_at + 1) % _rows.Length;
    }

    /// <summary>
    /// Whether the set of the row at this place is what this caller's last merge led to, as far as others do not write the same keys.
    /// </summary>
    public bool WroteLast(int row, IReadOnlyDictionary<string, string> env)
    {
        var merge = _merges[row];
        var value = _values[merge % DistinctValues];
        return env.GetValueOrDefault(_every) == value && env.GetValueOrDefault(_turns[merge % 2]) == value
            && (_sharesKeys || env.GetValueOrDefault(_turns[(merge + 1) % 2]) == _values[Math.Max(0, merge - 1) % DistinctValues]);
    }

    private static string KeyOf(int number, string name) =>
        string.Create(CultureInfo.InvariantCulture, $"CALLER{number % MostWriters:D3}_{name}");

    private static string ValueOf(int number, int merge) => string.Create(CultureInfo.InvariantCulture, $"{number:D3}{merge:D5}");
}
