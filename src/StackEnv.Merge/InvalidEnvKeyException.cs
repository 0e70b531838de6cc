using StackEnv.Merge.Text;

namespace StackEnv.Merge;

/// <summary>A key of the changes breaks the grammar, by default <c>[A-Z_][A-Z0-9_]*</c>. Thrown before any I/O.</summary>
public sealed class InvalidEnvKeyException : StackEnvMergeException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="key">The key as it was given.</param>
    public InvalidEnvKeyException(StackRef stack, string key)
        : base(
            stack,
            "invalid_env_key",
            isTransient: false,
            $"{Printable.Quote(key)} is not a valid environment variable key. By default keys match [A-Z_][A-Z0-9_]*. Nothing was written to stack {stack}.")
        => Key = Printable.Escape(key);

    /// <summary>The key, with unprintable characters escaped, and cut where it is long.</summary>
    public string Key { get; }
}
