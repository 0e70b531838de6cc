using System.Runtime.InteropServices;

namespace StackEnv.Merge.Protocol;

/// <summary>A merge's turn at its row: it has come, or the merge waits for it in line.</summary>
/// <param name="Line">The line.</param>
/// <param name="Place">The place in line; <see langword="null"/> if the turn came at once.</param>
/// <param name="Budget">How long the merge may wait for its row, in line and in the database.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct MergeTurn(MergeLine Line, LinkedListNode<TaskCompletionSource>? Place, LockBudget Budget)
{
    public bool IsInLine => Place is not null;
}
