namespace StackEnv.Merge;

/// <summary>
/// The connection was lost while COMMIT may have been carried out: the merge was committed as a whole or not at all, and nobody can tell which
/// from here. Repeating the same merge is safe, because it leads to the same set either way.
/// </summary>
public sealed class MergeOutcomeUnknownException : StackEnvMergeException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="innerException">How the connection was lost.</param>
    public MergeOutcomeUnknownException(StackRef stack, Exception? innerException = null)
        : base(
            stack,
            "outcome_unknown",
            isTransient: true,
            $"The connection was lost while the merge into stack {stack} was being committed: it was carried out as a whole or not at all. Repeating it is safe.",
            innerException)
    {
    }
}
