namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>What the caller of a merge was told had become of it.</summary>
internal enum Told
{
    Committed,
    NotCommitted,
    Unknown,
}
