namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if the row does not hold a JSON object, but an array, a string, a number or the like. Nothing was written:
/// fix the row first.
/// </summary>
public sealed class StoredEnvInvalidException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    public StoredEnvInvalidException(StackRef stack)
        : base(
            stack,
            "stored_env_invalid",
            isTransient: false,
            $"The stored environment variables of stack {stack} are not a JSON object. Nothing was written. Fix the row: a merge " +
            "does not overwrite what it does not understand.")
    {
    }
}
