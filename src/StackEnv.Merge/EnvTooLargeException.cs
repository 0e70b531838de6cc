using System.Globalization;

namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if the merged set would be larger than <see cref="StackEnvMergeOptions.MaxEnvBytes"/> and not smaller than
/// it was, or if the values of the changes alone are larger than that. Nothing was written.
/// </summary>
public sealed class EnvTooLargeException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="sizeBytes">The size that the set would have had, in bytes.</param>
    /// <param name="limitBytes">The largest size that is allowed, in bytes.</param>
    public EnvTooLargeException(StackRef stack, long sizeBytes, long limitBytes)
        : base(
            stack,
            "env_too_large",
            isTransient: false,
            string.Create(
                CultureInfo.InvariantCulture,
                $"The environment variables of stack {stack} would take {sizeBytes} bytes, and {limitBytes} are allowed. Nothing was " +
                $"written. Delete keys, shorten values, or split the changes."))
    {
        SizeBytes = sizeBytes;
        LimitBytes = limitBytes;
    }

    /// <summary>
    /// Gets the size that the set would have had, in bytes of compact JSON in UTF-8. If the changes alone are over the limit, it is their
    /// size, without the stored keys.
    /// </summary>
    public long SizeBytes { get; }

    /// <summary>
    /// Gets the largest size that is allowed, in bytes: <see cref="StackEnvMergeOptions.MaxEnvBytes"/>, or for deleted keys at least its
    /// default.
    /// </summary>
    public long LimitBytes { get; }
}
