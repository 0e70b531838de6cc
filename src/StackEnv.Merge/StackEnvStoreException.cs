namespace StackEnv.Merge;

/// <summary>The database, the connection or a journal failed in a way that has no exception of its own here. Nothing was written.</summary>
/// <remarks>
/// The driver's own exception is never attached when it came from the server: PostgreSQL quotes stored values in some of its fields.
/// </remarks>
public sealed class StackEnvStoreException : StackEnvMergeException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="problem">What failed, as one or more sentences without any value.</param>
    /// <param name="sqlState">The SQLSTATE that PostgreSQL reported, if it did.</param>
    /// <param name="isTransient">Whether trying again may help.</param>
    /// <param name="innerException">The failure of the connection, if it was one.</param>
    public StackEnvStoreException(StackRef stack, string problem, string? sqlState, bool isTransient, Exception? innerException = null)
        : base(stack, "store_error", isTransient, $"The merge into stack {stack} failed and nothing was written. {problem}", innerException)
    {
        SqlState = sqlState;
        Problem = problem;
    }

    /// <summary>
    /// The <see href="https://www.postgresql.org/docs/current/errcodes-appendix.html">SQLSTATE</see> that PostgreSQL reported, or
    /// <see langword="null"/> where the failure was not the server's.
    /// </summary>
    public string? SqlState { get; }

    internal string Problem { get; }
}
