namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>The result of one run.</summary>
/// <param name="Kind">What was planned.</param>
/// <param name="HasStruck">Whether it struck before the merge was over.</param>
/// <param name="Told">What the caller was told.</param>
/// <param name="WasCommitted">What the database holds.</param>
/// <param name="Next">How the next merge went.</param>
/// <param name="Failure">The exception of the merge, or of the next one if that failed.</param>
internal sealed record FaultReport(FaultKind Kind, bool HasStruck, Told Told, bool WasCommitted, NextMerge Next, Exception? Failure)
{
    /// <summary>Whether the caller was told what is not true.</summary>
    public bool IsLie => Told != Told.Unknown && WasCommitted != (Told == Told.Committed);

    /// <summary>Whether the next merge on the same data source failed without an excuse.</summary>
    public bool HasBrokenPool => Next == NextMerge.Failed;

    /// <summary>Whether the next merge was cancelled by what was meant for this one.</summary>
    public bool HasLateCancel => Next == NextMerge.SucceededAfterRetry && Kind.CancelsOnServer();

    /// <summary>Whether this merge left a dead connection in the pool.</summary>
    public bool HasDeadConnection => Next == NextMerge.SucceededAfterRetry && !Kind.CancelsOnServer();
}
