namespace StackEnv.Merge.Protocol;

/// <summary>What became of the transaction. There is no fourth answer, and the three are never confused.</summary>
internal enum MergeOutcome
{
    Committed,
    NotCommitted,
    Unknown,
}
