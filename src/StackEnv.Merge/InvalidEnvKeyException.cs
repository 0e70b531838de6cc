using StackEnv.Merge.Text;

namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if a key of the changes breaks the grammar, by default <c>[A-Z_][A-Z0-9_]*</c>. It is thrown before any
/// I/O.
/// </summary>
public sealed class InvalidEnvKeyException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="key">The key as it was given.</param>
    public InvalidEnvKeyException(StackRef stack, string key)
        : base(
            stack,
            "invalid_env_key",
            isTransient: false,
            $"{Printable.Quote(key)} is not a valid environment variable key. By default keys match [A-Z_][A-Z0-9_]*. Nothing was " +
            $"written to stack {stack}.")
        => Key = Printable.Escape(key);

    /// <summary>Gets the key, with unprintable characters escaped, and cut if it is long.</summary>
    public string Key { get; }
}
