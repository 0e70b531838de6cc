namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>What came of one run.</summary>
/// <param name="Kind">What was planned.</param>
/// <param name="HasStruck">Whether it came to pass before the merge was over.</param>
/// <param name="Told">What the caller was told.</param>
/// <param name="WasCommitted">What the database holds.</param>
/// <param name="DeadConnectionsMet">How many merges after it got a pooled connection that the server had ended while it was idle.</param>
internal sealed record FaultReport(FaultKind Kind, bool HasStruck, Told Told, bool WasCommitted, int DeadConnectionsMet);
