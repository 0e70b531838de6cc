using System.Globalization;
using HdrHistogram;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>
/// One caller, which merges into its rows in turn. Each merge sets two keys that nobody else writes: one that every merge sets and one of
/// two that take turns. So the set after each merge has to hold what the merge before it wrote: a lost update shows at once.
/// </summary>
internal sealed class Caller
{
    /// <summary>How many keys of each row are a caller's own.</summary>
    public const int OwnKeys = 3;

    private const int DistinctValues = 1_000;
    private const string Every = "EVERY";
    private const string Turn0 = "TURN0";
    private const string Turn1 = "TURN1";

    private static readonly string[] Values =
        [.. Enumerable.Range(0, DistinctValues).Select(static number => number.ToString("D8", CultureInfo.InvariantCulture))];

    private readonly Guid[] _rows;
    private readonly int[] _merges;
    private readonly string _every;
    private readonly string[] _turns;
    private readonly int _keysOfTheSet;
    private readonly Dictionary<string, string?>[] _changes;
    private int _at;

    public Caller(int number, IReadOnlyList<Guid> rows, int keysOfTheSet)
    {
        _rows = [.. rows];
        _merges = new int[_rows.Length];
        _every = KeyOf(number, Every);
        _turns = [KeyOf(number, Turn0), KeyOf(number, Turn1)];
        _keysOfTheSet = keysOfTheSet;
        _changes = [.. _turns.Select(turn => new Dictionary<string, string?>(StringComparer.Ordinal) { [_every] = "", [turn] = "" })];
    }

    /// <summary>The durations of the merges that ended within the window.</summary>
    public LongHistogram Latencies { get; } = Slice.NewHistogram();

    public Guid NextRow => _rows[_at];

    /// <summary>What the caller's keys hold at the beginning, in each of its rows.</summary>
    public static IEnumerable<KeyValuePair<string, string>> InitialKeys(int number) =>
        [new(KeyOf(number, Every), Values[0]), new(KeyOf(number, Turn0), Values[0]), new(KeyOf(number, Turn1), Values[0])];

    /// <summary>The changes of the next merge. They stay as they are until <see cref="Merged"/>.</summary>
    public IReadOnlyDictionary<string, string?> NextChanges()
    {
        var merge = _merges[_at] + 1;
        var changes = _changes[merge % 2];
        changes[_every] = changes[_turns[merge % 2]] = Values[merge % DistinctValues];
        return changes;
    }

    /// <summary>Notes that the merge is done, and checks the set that it led to, if it is known.</summary>
    public void Merged(IReadOnlyDictionary<string, string>? env)
    {
        var merge = ++_merges[_at];
        if (env is not null && !(env.Count == _keysOfTheSet
            && env[_every] == Values[merge % DistinctValues]
            && env[_turns[merge % 2]] == Values[merge % DistinctValues]
            && env[_turns[(merge + 1) % 2]] == Values[(merge - 1) % DistinctValues]))
        {
            throw new WrongRowException(
                $"The set of stack {NextRow} is not what merge {merge} of its caller had to lead to: an update was lost.");
        }

        _at = (_at + 1) % _rows.Length;
    }

    /// <summary>What each of the caller's keys has to hold in each of its rows.</summary>
    public IEnumerable<(Guid Row, string Key, string Value)> Expected()
    {
        for (var row = 0; row < _rows.Length; row++)
        {
            var merge = _merges[row];
            yield return (_rows[row], _every, Values[merge % DistinctValues]);
            yield return (_rows[row], _turns[merge % 2], Values[merge % DistinctValues]);
            yield return (_rows[row], _turns[(merge + 1) % 2], Values[Math.Max(0, merge - 1) % DistinctValues]);
        }
    }

    private static string KeyOf(int number, string name) => string.Create(CultureInfo.InvariantCulture, $"CALLER{number:D3}_{name}");
}
