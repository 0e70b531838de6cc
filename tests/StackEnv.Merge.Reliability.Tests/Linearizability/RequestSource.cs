namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>Draws what one caller asks for.</summary>
internal sealed class RequestSource(string caller, IReadOnlyList<Guid> stacks, OptionSet options, Random random)
{
    private static readonly string[] Keys = ["A", "B", "C", "D", "E", "F"];

    // What JSON has to escape, and what takes more than one byte.
    private static readonly string[] Fillers = ["x", "\"", "\\", "\n", "é", "漢", ": ", ", "];

    private int _drawn;

    public MergeRequest Next()
    {
        _drawn++;
        var (kind, changes) = random.Next(100) switch
        {
            < 28 => ("sets", Draw(1, 3, Value)),
            < 48 => ("deletes", Draw(1, 2, Nothing)),
            < 68 => ("sets and deletes", Draw(2, 4, () => random.Next(2) == 0 ? Value() : Nothing())),
            < 84 => ("sets to common values", Draw(1, 2, () => $"common {random.Next(2)}")),
            < 88 => ("no change at all", []),
            < 90 => ("too large by itself", Draw(1, 1, static () => new string('x', 70_000))),
            < 92 => ("into a missing stack", Draw(1, 2, Value)),
            < 94 => ("for a stranger", Draw(1, 2, Value)),
            _ => ("given up early", Draw(1, 3, Value)),
        };

        return new(
            kind,
            Stack: kind is "into a missing stack" ? Guid.NewGuid() : stacks[random.Next(stacks.Count)],
            Owner: kind is "for a stranger"
                ? Guid.NewGuid()
                : random.Next(4) == 0 ? Stacks.PossibleOwners[random.Next(Stacks.PossibleOwners.Count)] : null,
            ReadsVersion: random.Next(4) == 0,
            AtVersion: null,
            changes,
            MaxEnvBytes: random.Next(4) switch
            {
                _ when options.SharedPool is not null => 180, // each limit has a merger of its own, with lines of its own
                0 => 90,
                1 => 180,
                _ => 65_536,
            },
            LockTimeout: random.Next(3) == 0 ? TimeSpan.FromMilliseconds(15) : TimeSpan.FromSeconds(60),
            CancelAfter: kind is "given up early" ? TimeSpan.FromMilliseconds(random.Next(6)) : null);
    }

    // No other operation of the campaign sets this value.
    private string Value() =>
        $"{caller}-{_drawn}-{string.Concat(Enumerable.Range(0, random.Next(20)).Select(_ => Fillers[random.Next(Fillers.Length)]))}";

    private string? Nothing() => random.Next(2) == 0 ? null : "";

    private Dictionary<string, string?> Draw(int fewest, int most, Func<string?> value)
    {
        var keys = Keys.ToArray();
        random.Shuffle(keys);
        return keys.Take(random.Next(fewest, most + 1)).ToDictionary(static key => key, _ => value());
    }
}
