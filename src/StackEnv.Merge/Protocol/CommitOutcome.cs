namespace StackEnv.Merge.Protocol;

/// <summary>Whether the transaction was committed.</summary>
internal enum CommitOutcome
{
    Committed,
    NotCommitted,
    Unknown,
}
