namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if the database, the connection or a journal failed in a way that has no exception of its own. Nothing was
/// written.
/// </summary>
/// <remarks>
/// The message has the SQLSTATE, and PostgreSQL's own text only if that cannot quote a value: if it is about the text of the merge's own
/// statement, or names tables, roles and limits only. Exceptions of the server, of journals and of their parameters are never attached,
/// because they can hold values; failures of the connection are.
/// </remarks>
public sealed class StackEnvStoreException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="problem">What failed, as one or more sentences without any value.</param>
    /// <param name="sqlState">The SQLSTATE that PostgreSQL reported, if it did.</param>
    /// <param name="isTransient">Whether time can change what failed.</param>
    /// <param name="innerException">The failure of the connection, if it was one.</param>
    public StackEnvStoreException(StackRef stack, string problem, string? sqlState, bool isTransient, Exception? innerException = null)
        : base(stack, "store_error", isTransient, $"The merge into stack {stack} failed and nothing was written. {problem}", innerException)
    {
        SqlState = sqlState;
        Problem = problem;
    }

    /// <summary>
    /// Gets the <see href="https://www.postgresql.org/docs/current/errcodes-appendix.html">SQLSTATE</see> that PostgreSQL, or a pooler in
    /// its place, reported; <see langword="null"/> if neither did.
    /// </summary>
    public string? SqlState { get; }

    internal string Problem { get; }
}
