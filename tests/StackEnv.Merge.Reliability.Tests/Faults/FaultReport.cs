namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>The result of one run.</summary>
/// <param name="Kind">What was planned.</param>
/// <param name="HasStruck">Whether it struck before the merge was over.</param>
/// <param name="Told">What the caller was told.</param>
/// <param name="WasCommitted">What the database holds.</param>
/// <param name="NextFailed">Whether the next merge got a connection that the server had ended while it was idle, or a late cancel.</param>
/// <param name="NextFailures">How often the next merge failed for no such reason.</param>
internal sealed record FaultReport(FaultKind Kind, bool HasStruck, Told Told, bool WasCommitted, bool NextFailed, int NextFailures)
{
    /// <summary>Whether the caller was told the opposite of what the database holds.</summary>
    public bool IsLie => Told.IsCommitted == !WasCommitted;

    /// <summary>Whether the next merge was cancelled by what was meant for this one.</summary>
    public bool HasLateCancel => NextFailed && Kind.CancelsOnServer();

    /// <summary>Whether this merge left a dead connection in the pool.</summary>
    public bool HasDeadConnection => NextFailed && !Kind.CancelsOnServer();
}
