namespace StackEnv.Merge.Protocol;

/// <summary>What a merge does to one document.</summary>
internal readonly record struct MergeEffect(int KeysDeleted, bool Changes, long BytesBefore, long BytesAfter)
{
    /// <summary>A set over the limit may still be made smaller.</summary>
    public bool Exceeds(int maxEnvBytes) => BytesAfter > maxEnvBytes && BytesAfter >= BytesBefore;
}
