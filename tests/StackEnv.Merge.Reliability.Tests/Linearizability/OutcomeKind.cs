namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>The answers that a caller can get.</summary>
internal enum OutcomeKind
{
    Written,
    Unchanged,
    Deleting,
    TooLarge,
    NotFound,
    LockTimeout,
    Cancelled,
    Unknown,
    Failed,
}
