using System.Globalization;
using System.Text;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>
/// A set of variables, changes to it and the set after them. Every value is the run's own, so that the row shows which merge it is from.
/// </summary>
internal sealed class RandomMerge
{
    private const int Keys = 10;

    /// <param name="random">The run's.</param>
    /// <param name="marker">What every value contains.</param>
    /// <param name="stall">The key and the seconds of a stall of the server, if there is to be one.</param>
    public RandomMerge(Random random, string marker, (string Key, double Seconds)? stall)
    {
        var length = random.Next(20) == 0 ? random.Next(1_000, 3_000) : random.Next(40);
        for (var number = 0; number < Keys; number++)
        {
            if (random.Next(2) == 0)
            {
                Before.Add($"K_{number}", Value("before"));
            }

            // The first is always set, so that a merge always changes something.
            var fate = number == 0 ? 0 : random.Next(4);
            if (fate < 2)
            {
                Changes.Add($"K_{number}", fate == 0 ? Value("after") : random.Next(2) == 0 ? null : "");
            }
        }

        if (stall is { } asked)
        {
            Changes.Add(asked.Key, string.Create(CultureInfo.InvariantCulture, $"{asked.Seconds:F3} {marker}"));
        }

        After = new(Before, StringComparer.Ordinal);
        foreach (var (key, value) in Changes)
        {
            if (string.IsNullOrEmpty(value))
            {
                KeysDeleted += After.Remove(key) ? 1 : 0;
            }
            else
            {
                After[key] = value;
                KeysSet++;
            }
        }

        string Value(string when) =>
            new StringBuilder(marker).Append(' ').Append(when).Append(' ').Append(random.Next()).Append('é', length).ToString();
    }

    public Dictionary<string, string> Before { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string?> Changes { get; } = new(StringComparer.Ordinal);

    public Dictionary<string, string> After { get; }

    public int KeysSet { get; }

    public int KeysDeleted { get; }
}
