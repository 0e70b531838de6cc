using System.Globalization;

namespace StackEnv.Merge;

/// <summary>
/// The merged set is larger than <see cref="StackEnvMergeOptions.MaxEnvBytes"/> and not smaller than it was, or the changes alone are too large.
/// Nothing was written.
/// </summary>
public sealed class EnvTooLargeException : StackEnvMergeException
{
    /// <summary>Makes the exception.</summary>
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
                $"The environment variables of stack {stack} would take {sizeBytes} bytes, and {limitBytes} are allowed. Nothing was written. Delete keys or shorten values."))
    {
        SizeBytes = sizeBytes;
        LimitBytes = limitBytes;
    }

    /// <summary>
    /// The size that the set would have had, in bytes of compact JSON in UTF-8. Where the changes alone are over the limit, their size: the
    /// stored keys come on top.
    /// </summary>
    public long SizeBytes { get; }

    /// <summary>The largest size that is allowed, in bytes: <see cref="StackEnvMergeOptions.MaxEnvBytes"/>.</summary>
    public long LimitBytes { get; }
}
