using StackEnv.Merge.Text;

namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if a value of the changes holds a character that PostgreSQL cannot store in <c>jsonb</c>. It is thrown
/// before any I/O.
/// </summary>
/// <remarks>
/// See <see href="https://www.postgresql.org/docs/current/datatype-json.html">the manual's chapter on JSON types</see>: <c>jsonb</c>
/// rejects <c>\u0000</c>, and each half of a surrogate pair needs the other.
/// </remarks>
public sealed class InvalidEnvValueException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="key">The key whose value is not valid.</param>
    /// <param name="reason">What is wrong with the value, without the value.</param>
    public InvalidEnvValueException(StackRef stack, string key, string reason)
        : base(
            stack,
            "invalid_env_value",
            isTransient: false,
            $"The value of {Printable.Quote(key)} {reason}. Nothing was written to stack {stack}.")
    {
        Key = Printable.Escape(key);
        Reason = reason;
    }

    /// <summary>Gets the key, with unprintable characters escaped, and cut if it is long.</summary>
    public string Key { get; }

    /// <summary>Gets what is wrong with the value, as the end of a sentence that begins "The value".</summary>
    public string Reason { get; }
}
