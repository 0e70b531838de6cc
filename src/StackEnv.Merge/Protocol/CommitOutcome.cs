namespace StackEnv.Merge.Protocol;

/// <summary>Whether the transaction was committed. There is no fourth answer, and the three are never confused.</summary>
internal enum CommitOutcome
{
    Committed,
    NotCommitted,
    Unknown,
}
