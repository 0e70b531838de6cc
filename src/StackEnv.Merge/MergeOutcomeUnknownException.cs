namespace StackEnv.Merge;

/// <summary>
/// The connection was lost while COMMIT may have been carried out: the merge was committed as a whole or not at all, and nobody can tell which
/// from here. Or the stack was created in the very moment of the merge, so that what it deleted cannot be counted. Repeating the same merge is
/// safe, because it leads to the same values either way.
/// </summary>
public sealed class MergeOutcomeUnknownException : StackEnvMergeException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="innerException">How the connection was lost, if it was.</param>
    public MergeOutcomeUnknownException(StackRef stack, Exception? innerException = null)
        : base(
            stack,
            "outcome_unknown",
            isTransient: true,
            $"What became of the merge into stack {stack} is not known: the connection was lost while it was being committed, or the stack was created at that moment. It was carried out as a whole or not at all. Repeating it is safe.",
            innerException)
    {
    }
}
