using StackEnv.Merge.Text;

namespace StackEnv.Merge;

/// <summary>
/// The exception that is thrown if the stack is being torn down: its status, read under the row lock, is one of
/// <see cref="StackEnvMergeOptions.DeletingStatuses"/>. Nothing was written.
/// </summary>
public sealed class StackDeletingException : StackEnvMergeException
{
    /// <summary>Initializes a new instance of the exception.</summary>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="status">The status that was read under the row lock.</param>
    public StackDeletingException(StackRef stack, string status)
        : base(
            stack,
            "stack_deleting",
            isTransient: false,
            $"Stack {stack} is being torn down (status {Printable.Quote(status)}). Nothing was written.")
        => Status = status;

    /// <summary>Gets the status that was read under the row lock.</summary>
    public string Status { get; }
}
