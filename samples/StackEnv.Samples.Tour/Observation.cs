using StackEnv.Merge;

namespace StackEnv.Samples.Tour;

/// <summary>One or more merges on one stack, seen from outside.</summary>
internal sealed record Observation
{
    /// <summary>What was asked for: the keys of all merges together.</summary>
    public required IReadOnlyDictionary<string, string?> Changes { get; init; }

    /// <summary>The results, where no merge failed.</summary>
    public required IReadOnlyList<MergeResult> Results { get; init; }

    /// <summary>The failure, where one did.</summary>
    public required StackEnvMergeException? Failure { get; init; }

    /// <summary>The time from the call to its answer; to the last answer, where there was more than one merge.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>The statements that PostgreSQL received meanwhile.</summary>
    public required IReadOnlyList<string> Statements { get; init; }

    /// <summary>What the stack's row holds now, read independently of the merge.</summary>
    public required StoredStack Stored { get; init; }
}
