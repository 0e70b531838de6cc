using System.Transactions;

namespace StackEnv.Merge;

/// <summary>Merges changes into the environment variables of one stack, all of them or none, under that stack's row lock.</summary>
/// <remarks>Implementations are safe to call from many threads at once; merges of one stack take their turns and none loses a key.</remarks>
public interface IStackEnvMerger
{
    /// <summary>Sets and deletes environment variables of one stack in one transaction of its own.</summary>
    /// <remarks>
    /// It takes one network round trip; with any <see cref="IStackEnvMergeJournal"/>, near the size limit, and where SQL NULL is stored, two.
    /// </remarks>
    /// <param name="stack">Which stack, and where given, whose.</param>
    /// <param name="changes">
    /// The changes by key: a value sets the key, <see langword="null"/> or an empty string deletes it. Keys that are not named here keep
    /// their values. Keys match <c>[A-Z_][A-Z0-9_]*</c> unless <see cref="StackEnvMergeOptions.IsValidKey"/> says otherwise.
    /// An empty dictionary changes nothing and answers with the set as it is. Read before this method returns, and not again.
    /// </param>
    /// <param name="cancellationToken">Gives up the merge. Where the commit wins the race against it, the result comes back all the same.</param>
    /// <returns>The set as it was committed, with exact counts.</returns>
    /// <exception cref="InvalidEnvKeyException">A key breaks the grammar. Nothing was sent to the database.</exception>
    /// <exception cref="InvalidEnvValueException">A value holds a character that PostgreSQL cannot store. Nothing was sent to the database.</exception>
    /// <exception cref="EnvTooLargeException">The set would exceed <see cref="StackEnvMergeOptions.MaxEnvBytes"/>. Nothing was written.</exception>
    /// <exception cref="StackNotFoundException">There is no such stack, or it is another owner's. Nothing was written.</exception>
    /// <exception cref="StackDeletingException">The stack is being torn down, as read under the row lock. Nothing was written.</exception>
    /// <exception cref="StoredEnvInvalidException">The stored document is not a JSON object. Nothing was written.</exception>
    /// <exception cref="LockTimeoutException">The row was not locked within <see cref="StackEnvMergeOptions.LockTimeout"/>. Nothing was written; try again.</exception>
    /// <exception cref="MergeOutcomeUnknownException">
    /// The connection was lost while COMMIT may have been carried out; or the row came into being in the middle of a merge that deletes, so
    /// that the count is not known. Repeating the merge is safe.
    /// </exception>
    /// <exception cref="StackEnvStoreException">The database, the connection or an <see cref="IStackEnvMergeJournal"/> failed in another way. Nothing was written.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled, and certainly nothing was committed.</exception>
    /// <exception cref="ArgumentNullException"><paramref name="changes"/> is <see langword="null"/>.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="stack"/> is the default value, or names no owner where <see cref="StackEnvMergeOptions.RequireOwner"/> demands one.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// There is an ambient <see cref="Transaction"/>: a merge commits its own transaction and cannot be part of another.
    /// Or the table breaks what the merge relies on, and the message says how: <see cref="StackEnvMergeOptions.KeyColumn"/> is not unique,
    /// or a trigger stored something other than a JSON object.
    /// </exception>
    Task<MergeResult> MergeAsync(
        StackRef stack,
        IReadOnlyDictionary<string, string?> changes,
        CancellationToken cancellationToken = default);
}
