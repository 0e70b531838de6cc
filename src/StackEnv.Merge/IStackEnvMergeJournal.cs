using Npgsql;

namespace StackEnv.Merge;

/// <summary>
/// Adds statements to each merge's own transaction: an audit row, an outbox message, a NOTIFY. They are committed with the merge, or
/// neither is.
/// </summary>
/// <remarks>
/// <para>
/// Register any number; they run in the order of registration, after the guarded UPDATE and before COMMIT, while the stack's row is locked.
/// With at least one, a merge takes two network round trips, however many journals and statements there are.
/// </para>
/// <para>
/// A journal that throws, or whose statement fails, rolls the merge back: the caller gets a <see cref="StackEnvStoreException"/> that names
/// the journal. What the journal threw is not attached, because it could hold a value.
/// </para>
/// <para>
/// In a container they are singletons, as the merger is. Implementations are called from many threads at once, each time in the execution
/// context of <see cref="IStackEnvMerger.MergeAsync"/>'s caller: an <see cref="AsyncLocal{T}"/> shows who made the change, and for which
/// request.
/// </para>
/// </remarks>
public interface IStackEnvMergeJournal
{
    /// <summary>
    /// Returns what to write for one merge. It is called once for each merge that is about to commit, including one that changed nothing
    /// (see <see cref="MergeResult.Changed"/>), and never for one that is refused.
    /// </summary>
    /// <remarks>
    /// The row is locked meanwhile. A merge whose journals together take longer than <see cref="StackEnvMergeOptions.LockTimeout"/> and 5 s
    /// is rolled back; the time is checked after each command, and a call that blocks is not interrupted.
    /// </remarks>
    /// <param name="stack">The stack that is merged into, as the caller named it.</param>
    /// <param name="result">
    /// What the caller will get. Its <see cref="MergeResult.Env"/> is read-only and holds secrets: write the counts and the names of the
    /// keys. What BEFORE triggers changed is in it; what AFTER triggers or journals write into the same row is not.
    /// </param>
    /// <returns>
    /// New commands, none of them shared with another merge; empty for nothing. They may use savepoints, but may not end or divide the
    /// transaction: COMMIT, END, ABORT, ROLLBACK (except ROLLBACK TO), PREPARE TRANSACTION and
    /// <see cref="NpgsqlBatchCommand.AppendErrorBarrier"/> are refused. A <see cref="Stream"/> in a parameter is read to its end before
    /// anything is sent.
    /// </returns>
    IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result);
}
