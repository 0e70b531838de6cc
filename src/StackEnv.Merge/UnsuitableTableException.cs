namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if the table or the database session does not meet the requirements of a merge: the key is not unique, a
/// column has the wrong type, the client encoding is not UTF8. The message names the problem, and the statement or setting that fixes it.
/// </summary>
/// <remarks>
/// A merger checks its table once, before its first transaction, and refuses it before anything is written. Some problems show only in
/// the answer to a merge: two rows of a view have the key, the table was altered after the check, or a trigger stored something other
/// than a JSON object. If the merge was committed by then, <see cref="IsCommitted"/> is <see langword="true"/>. After a refusal, the
/// next merge checks the table again.
/// </remarks>
public sealed class UnsuitableTableException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="problem">
    /// What is wrong with the table or the session, and how to fix it, as one or more sentences without any value.
    /// </param>
    /// <param name="isCommitted">Whether the merge was committed nevertheless.</param>
    public UnsuitableTableException(StackRef stack, string problem, bool isCommitted = false)
        : base(
            stack,
            "unsuitable_table",
            isTransient: false,
            $"The merge into stack {stack} was " +
            (isCommitted ? "committed, but the table is not suitable. " : "refused and nothing was written. ") +
            problem)
    {
        IsCommitted = isCommitted;
        Problem = problem;
    }

    /// <summary>Gets whether the merge was committed nevertheless. If <see langword="false"/>, nothing was written.</summary>
    public bool IsCommitted { get; }

    internal string Problem { get; }
}
