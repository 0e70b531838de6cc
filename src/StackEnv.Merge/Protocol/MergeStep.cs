namespace StackEnv.Merge.Protocol;

/// <summary>The steps of a merge, in their order: where it was when something failed.</summary>
internal enum MergeStep
{
    NotSent,
    Begin,
    Limits,
    LockedRead,
    GuardedUpdate,
    Journal,
    Marker,
    Commit,
    Done,
}
