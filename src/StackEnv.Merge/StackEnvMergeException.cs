namespace StackEnv.Merge;

/// <summary>A merge that did not come to its result. The leaves say why.</summary>
/// <remarks>
/// No leaf ever carries a value of an environment variable, in its message or in any inner exception. It does not derive from
/// <see cref="System.Data.Common.DbException"/>, so that a generic retry policy for databases cannot multiply the wait for the row.
/// </remarks>
public abstract class StackEnvMergeException : Exception
{
    private protected StackEnvMergeException(StackRef stack, string errorCode, bool isTransient, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Stack = stack;
        ErrorCode = errorCode;
        IsTransient = isTransient;
    }

    /// <summary>The stack that the merge was asked for.</summary>
    public StackRef Stack { get; }

    /// <summary>A stable code for this kind of failure, such as <c>lock_timeout</c>: for HTTP bodies, logs and metrics.</summary>
    public string ErrorCode { get; }

    /// <summary>Whether the same merge may succeed when it is tried again a little later.</summary>
    public bool IsTransient { get; }
}
