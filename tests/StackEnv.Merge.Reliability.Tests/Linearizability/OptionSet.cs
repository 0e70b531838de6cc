namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>What makes the same merge take another way through the library and the driver.</summary>
/// <param name="WithJournal">Whether an audit row is committed with each merge.</param>
/// <param name="AutoPrepare">Whether the driver prepares statements by itself.</param>
/// <param name="SharedPool">
/// The size of the pool of the one host that all callers share, whose merges of one stack wait in line; <see langword="null"/> if each
/// caller has a host of its own.
/// </param>
internal sealed record OptionSet(bool WithJournal, bool AutoPrepare, int? SharedPool = null)
{
    // Of a pool of 2, one merge of a stack runs at a time; of a pool of 40, up to 20 do.
    public static readonly OptionSet[] All =
        [new(false, false), new(true, false), new(false, true), new(true, true), new(false, false, SharedPool: 2), new(false, true, 40)];

    public override string ToString() =>
        (SharedPool is { } size ? $"one host with a pool of {size} for all callers" : $"{(WithJournal ? "with" : "without")} a journal") +
        $", {(AutoPrepare ? "with" : "without")} automatic preparation";
}
