using Npgsql;

namespace StackEnv.Merge;

/// <summary>
/// Adds statements to each merge's own transaction: an audit row, an outbox message, a NOTIFY. They are committed with the merge, or neither is.
/// </summary>
/// <remarks>
/// <para>
/// Register any number; they run in the order of registration, after the guarded UPDATE and before COMMIT, while the stack's row is locked. With at
/// least one, a merge takes two network round trips, however many journals and statements there are.
/// </para>
/// <para>A journal that throws, or whose statement fails, rolls the merge back: the caller gets a <see cref="StackEnvStoreException"/> that names the journal.</para>
/// <para>
/// In a container they are singletons, as the merger is. Implementations are called from many threads at once, each time in the execution context of <see cref="IStackEnvMerger.MergeAsync"/>'s caller: an
/// <see cref="AsyncLocal{T}"/> brings along who did it and for which request.
/// </para>
/// </remarks>
public interface IStackEnvMergeJournal
{
    /// <summary>
    /// Says what to write for one merge. Called once for each merge that is about to commit, also for one that changed nothing
    /// (see <see cref="MergeResult.Changed"/>), and never for one that is refused.
    /// </summary>
    /// <remarks>The row is locked meanwhile: a merge whose journals take longer than <see cref="StackEnvMergeOptions.LockTimeout"/> and 5 s is rolled back.</remarks>
    /// <param name="stack">The stack that is merged into, as the caller named it.</param>
    /// <param name="result">What the caller will get. Its <see cref="MergeResult.Env"/> holds secrets: the counts are what an audit row wants.</param>
    /// <returns>
    /// New commands, none of them shared with another merge; empty for nothing. They may not end or divide the transaction: no COMMIT, no ROLLBACK, no
    /// <see cref="NpgsqlBatchCommand.AppendErrorBarrier"/>.
    /// </returns>
    IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result);
}
