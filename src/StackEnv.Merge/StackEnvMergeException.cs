namespace StackEnv.Merge;

/// <summary>The base class of all merge failures.</summary>
/// <remarks>
/// None of them ever carries a value of an environment variable, in its message or in any inner exception. They do not derive from
/// <see cref="System.Data.Common.DbException"/>, so a generic retry policy for databases does not multiply the wait for the row.
/// </remarks>
public abstract class StackEnvMergeException : Exception
{
    private protected StackEnvMergeException(
        StackRef stack, string errorCode, bool isTransient, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        Stack = stack;
        ErrorCode = errorCode;
        IsTransient = isTransient;
    }

    /// <summary>Gets the stack that the merge was asked for.</summary>
    public StackRef Stack { get; }

    /// <summary>
    /// Gets a stable code for this kind of failure, for HTTP bodies, logs and metrics: <c>invalid_env_key</c>, <c>invalid_env_value</c>,
    /// <c>env_too_large</c>, <c>not_found</c>, <c>stack_deleting</c>, <c>version_mismatch</c>, <c>stored_env_invalid</c>,
    /// <c>lock_timeout</c>, <c>outcome_unknown</c>, <c>store_error</c> or <c>unsuitable_table</c>.
    /// </summary>
    public string ErrorCode { get; }

    /// <summary>
    /// Gets whether the same merge may succeed if it is tried again a little later: always for <see cref="LockTimeoutException"/> and
    /// <see cref="MergeOutcomeUnknownException"/>, for <see cref="StackEnvStoreException"/> if time can change what failed, and for no
    /// other.
    /// </summary>
    public bool IsTransient { get; }
}
