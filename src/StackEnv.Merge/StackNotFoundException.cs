namespace StackEnv.Merge;

/// <summary>There is no such stack, or it is another owner's: the two look the same on purpose. Nothing was written.</summary>
public sealed class StackNotFoundException : StackEnvMergeException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    public StackNotFoundException(StackRef stack)
        : base(stack, "not_found", isTransient: false, $"There is no stack {stack}.")
    {
    }
}
