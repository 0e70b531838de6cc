using System.Collections.Concurrent;

namespace StackEnv.Merge.Reliability.Tests;

/// <summary>Counts by name. Any thread may count.</summary>
internal sealed class Tally
{
    private readonly ConcurrentDictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>Every name that was counted, in order, with its count: the rows of a table.</summary>
    public IEnumerable<IReadOnlyList<object>> Rows =>
        _counts.OrderBy(static entry => entry.Key, StringComparer.Ordinal)
            .Select(static entry => (IReadOnlyList<object>)[entry.Key, entry.Value]);

    public int Sum => _counts.Values.Sum();

    public int this[string name] => _counts.GetValueOrDefault(name);

    public void Count(string name, int times = 1) => _counts.AddOrUpdate(name, times, (_, count) => count + times);
}
