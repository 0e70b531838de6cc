namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if there is no such stack, or if it is another owner's. The two are indistinguishable on purpose. Nothing
/// was written.
/// </summary>
public sealed class StackNotFoundException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    public StackNotFoundException(StackRef stack)
        : base(stack, "not_found", isTransient: false, $"There is no stack {stack.AtAnyVersion}.")
    {
    }
}
