using System.Transactions;

namespace StackEnv.Merge;

/// <summary>Merges changes into the environment variables of one stack, all of them or none, under that stack's row lock.</summary>
/// <remarks>Implementations are thread-safe. Merges of one stack run one after another, and none loses a key.</remarks>
public interface IStackEnvMerger
{
    /// <summary>Sets and deletes environment variables of one stack in one transaction of its own.</summary>
    /// <remarks>
    /// A merge takes one network round trip. It takes two with any <see cref="IStackEnvMergeJournal"/>, near the size limit, if SQL NULL is
    /// stored, and if no unique index shows that only one row can match, as with a view. The first merge of a merger takes one more: it
    /// checks the table.
    /// </remarks>
    /// <param name="stack">The stack, and optionally its owner.</param>
    /// <param name="changes">
    /// The changes by key: a value sets the key, <see langword="null"/> or an empty string deletes it. Keys that are not named here keep
    /// their values. Keys match <c>[A-Z_][A-Z0-9_]*</c> unless <see cref="StackEnvMergeOptions.IsValidKey"/> says otherwise.
    /// An empty dictionary changes nothing and returns the set as it is. It is read before this method returns, and not again.
    /// </param>
    /// <param name="cancellationToken">
    /// Cancels the merge. If the commit comes first, the result is returned.
    /// </param>
    /// <returns>The set as the merge wrote it, with exact counts, and the names of the keys that changed.</returns>
    /// <exception cref="InvalidEnvKeyException">A key breaks the grammar. Nothing was sent to the database.</exception>
    /// <exception cref="InvalidEnvValueException">
    /// A value holds a character that PostgreSQL cannot store. Nothing was sent to the database.
    /// </exception>
    /// <exception cref="EnvTooLargeException">
    /// The set would exceed <see cref="StackEnvMergeOptions.MaxEnvBytes"/>. Nothing was written.
    /// </exception>
    /// <exception cref="StackNotFoundException">There is no such stack, or it is another owner's. Nothing was written.</exception>
    /// <exception cref="StackDeletingException">The stack is being torn down, as read under the row lock. Nothing was written.</exception>
    /// <exception cref="StackVersionException">
    /// The row is at another version than <see cref="StackRef.AtVersion"/> asks for, as read under the row lock. Nothing was written.
    /// </exception>
    /// <exception cref="StoredEnvInvalidException">The stored document is not a JSON object. Nothing was written.</exception>
    /// <exception cref="LockTimeoutException">
    /// The row was not locked within <see cref="StackEnvMergeOptions.LockTimeout"/>. Nothing was written; try again.
    /// </exception>
    /// <exception cref="MergeOutcomeUnknownException">
    /// The merge may have been committed, or was committed and its result is not known: the connection was lost during COMMIT, a pooler
    /// answered in the server's place, the wait for a synchronous standby was cancelled, the answer could not be read. Repeating the merge
    /// is safe.
    /// </exception>
    /// <exception cref="UnsuitableTableException">
    /// The table or the session does not meet the requirements of a merge: <see cref="StackEnvMergeOptions.KeyColumn"/> is not unique, a
    /// column has the wrong type, the client encoding is not UTF8. Nothing was written, unless
    /// <see cref="UnsuitableTableException.IsCommitted"/> is <see langword="true"/>.
    /// </exception>
    /// <exception cref="StackEnvStoreException">
    /// The database, the connection or an <see cref="IStackEnvMergeJournal"/> failed in another way. Nothing was written.
    /// </exception>
    /// <exception cref="OperationCanceledException">
    /// <paramref name="cancellationToken"/> was cancelled, and nothing was committed.
    /// </exception>
    /// <exception cref="ArgumentNullException"><paramref name="changes"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="stack"/> is the default value, or names no owner although <see cref="StackEnvMergeOptions.RequireOwner"/> is set, or
    /// names a version without a <see cref="StackEnvMergeOptions.VersionColumn"/>; or <paramref name="changes"/> returns a key more than
    /// once.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There is an ambient <see cref="Transaction"/>: a merge commits its own transaction and cannot be part of another.
    /// </exception>
    Task<MergeResult> MergeAsync(
        StackRef stack,
        IReadOnlyDictionary<string, string?> changes,
        CancellationToken cancellationToken = default);
}
