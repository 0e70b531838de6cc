namespace StackEnv.Merge;

/// <summary>A merge that did not come to its result. The derived types say why.</summary>
/// <remarks>
/// None of them ever carries a value of an environment variable, in its message or in any inner exception. It does not derive from
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

    /// <summary>
    /// A stable code for this kind of failure, for HTTP bodies, logs and metrics: <c>invalid_env_key</c>, <c>invalid_env_value</c>,
    /// <c>env_too_large</c>, <c>not_found</c>, <c>stack_deleting</c>, <c>stored_env_invalid</c>, <c>lock_timeout</c>, <c>outcome_unknown</c>,
    /// <c>store_error</c> or <c>unsuitable_table</c>.
    /// </summary>
    public string ErrorCode { get; }

    /// <summary>
    /// Whether the same merge may succeed when it is tried again a little later: always for <see cref="LockTimeoutException"/> and
    /// <see cref="MergeOutcomeUnknownException"/>, for <see cref="StackEnvStoreException"/> if a repeat can change what failed, and for no other.
    /// </summary>
    public bool IsTransient { get; }
}
