namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if it is unknown whether the merge was committed, or what it did. It was carried out as a whole or not at
/// all. Repeating it is safe, because it leads to the same values either way.
/// </summary>
/// <remarks>
/// The message says which of these it was: the connection was lost during COMMIT; a pooler or proxy reported an error in the server's
/// place; a distributed engine called its own result ambiguous, or warned during COMMIT and then failed; the wait for a synchronous standby
/// was cancelled; a journal ended the transaction; or the merge was committed, but its result could not be read or counted.
/// </remarks>
public sealed class MergeOutcomeUnknownException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="innerException">How the connection was lost, if it was.</param>
    public MergeOutcomeUnknownException(StackRef stack, Exception? innerException = null)
        : this(stack, "The connection was lost while it was being committed: it was carried out as a whole or not at all.", innerException)
    {
    }

    internal MergeOutcomeUnknownException(StackRef stack, string problem, Exception? innerException)
        : base(
            stack,
            "outcome_unknown",
            isTransient: true,
            $"The outcome of the merge into stack {stack} is unknown. {problem} Repeating it is safe.",
            innerException)
        => Problem = problem;

    internal string Problem { get; }
}
