using System.Globalization;

namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if the stack's row was not locked within <see cref="StackEnvMergeOptions.LockTimeout"/>: the server said
/// that other transactions held it, or the table, or the merge was still in line behind other merges of the same
/// <see cref="StackEnvMerger"/> into that row. Nothing was written; the same merge may be tried again.
/// </summary>
public sealed class LockTimeoutException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="lockTimeout">The limit that was reached.</param>
    public LockTimeoutException(StackRef stack, TimeSpan lockTimeout)
        : this(stack, lockTimeout, "another transaction holds its row, or the table")
    {
    }

    internal LockTimeoutException(StackRef stack, TimeSpan lockTimeout, string cause)
        : base(
            stack,
            "lock_timeout",
            isTransient: true,
            string.Create(
                CultureInfo.InvariantCulture,
                $"Stack {stack} could not be locked within {lockTimeout.TotalMilliseconds} ms: {cause}. Nothing was written. Try again."))
        => LockTimeout = lockTimeout;

    /// <summary>Gets the limit that was reached: the merger's <see cref="StackEnvMergeOptions.LockTimeout"/>.</summary>
    public TimeSpan LockTimeout { get; }
}
