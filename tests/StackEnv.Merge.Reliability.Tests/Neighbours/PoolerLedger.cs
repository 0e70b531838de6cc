using System.Collections.Concurrent;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>What the callers of merges were told, each of a key of its own, to be held against what is stored.</summary>
internal sealed class PoolerLedger
{
    private readonly ConcurrentQueue<(Guid Stack, string Key, Told Told, int TotalAfter)> _entries = new();

    public int Count => _entries.Count;

    public int CountOf(string code) => _entries.Count(entry => entry.Told.Code == code);

    public void Committed(Guid stack, string key, MergeResult result) => _entries.Enqueue((stack, key, Told.Of(result), result.TotalAfter));

    public void Failed(Guid stack, string key, Told told) => _entries.Enqueue((stack, key, told, -1));

    /// <summary>One line for each lie about whether a key was written, or about how many keys there were after that.</summary>
    /// <param name="stored">The keys of each stack at the end. No key is ever deleted.</param>
    public IReadOnlyList<string> Lies(IReadOnlyDictionary<Guid, IReadOnlySet<string>> stored)
    {
        var lies = new List<string>();
        var totals = new HashSet<(Guid, int)>();
        foreach (var (stack, key, told, totalAfter) in _entries)
        {
            var isThere = stored[stack].Contains(key);
            if (told.IsCommitted is { } committed && committed != isThere)
            {
                lies.Add($"{key} is {(isThere ? "there" : "not there")}, and the caller was told {told.Code}.");
            }

            // Each committed merge adds one key, so no two of them see the same total.
            if (told.IsCommitted is true && (totalAfter < 1 || totalAfter > stored[stack].Count || !totals.Add((stack, totalAfter))))
            {
                lies.Add($"{key} was told to be number {totalAfter} of {stored[stack].Count}.");
            }
        }

        return lies;
    }

    /// <summary>How often each outcome was told, and how often the key was there.</summary>
    public IEnumerable<IReadOnlyList<object>> Rows(IReadOnlyDictionary<Guid, IReadOnlySet<string>> stored) => _entries
        .GroupBy(entry => $"told {entry.Told.Code}, {(stored[entry.Stack].Contains(entry.Key) ? "written" : "not written")}")
        .OrderBy(static group => group.Key, StringComparer.Ordinal)
        .Select(static group => (IReadOnlyList<object>)[group.Key, group.Count()]);
}
