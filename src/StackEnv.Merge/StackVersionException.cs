using System.Globalization;

namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if the stack's row is at another version than <see cref="StackRef.AtVersion"/> asks for, as read under the
/// row lock. Nothing was written. Read the stack again before you repeat the merge.
/// </summary>
public sealed class StackVersionException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="expected">The version that the merge asked for.</param>
    /// <param name="actual">The version of the row, or <see langword="null"/> if it is not known.</param>
    public StackVersionException(StackRef stack, long expected, long? actual)
        : base(
            stack,
            "version_mismatch",
            isTransient: false,
            string.Create(
                CultureInfo.InvariantCulture,
                $"Stack {stack.AtAnyVersion} is {(actual is { } other ? $"at version {other}, " : "")}not at version {expected}. " +
                $"Nothing was written. Read it again."))
    {
        Expected = expected;
        Actual = actual;
    }

    /// <summary>Gets the version that the merge asked for.</summary>
    public long Expected { get; }

    /// <summary>
    /// Gets the version that was read under the row lock, where SQL NULL counts as 0. A merger always knows it; <see langword="null"/> is
    /// for code that constructs the exception without knowing it.
    /// </summary>
    public long? Actual { get; }
}
