namespace StackEnv.Merge;

/// <summary>
/// The table, or the database session, is not what a merge relies on: the key is not unique, a column has the wrong type, the session's
/// encoding is not UTF-8. The message names the fact, and the statement or setting that fixes it.
/// </summary>
/// <remarks>
/// Found before anything of the merge is sent, so nothing was written, with one exception: if the table was altered after the merger first
/// looked at it, the merge may have been committed already. Then <see cref="IsCommitted"/> is <see langword="true"/>.
/// </remarks>
public sealed class UnsuitableTableException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="problem">What is wrong with the table or the session, and how to fix it, as one or more sentences without any value.</param>
    /// <param name="isCommitted">Whether the merge was committed nevertheless.</param>
    public UnsuitableTableException(StackRef stack, string problem, bool isCommitted = false)
        : base(
            stack,
            "unsuitable_table",
            isTransient: false,
            $"The merge into stack {stack} {(isCommitted ? "was committed, but the table is not suitable" : "was refused and nothing was written")}. {problem}")
    {
        IsCommitted = isCommitted;
        Problem = problem;
    }

    /// <summary>Whether the merge was committed nevertheless. <see langword="false"/>: nothing was written.</summary>
    public bool IsCommitted { get; }

    internal string Problem { get; }
}
