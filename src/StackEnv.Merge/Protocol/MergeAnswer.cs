using System.Collections.ObjectModel;

namespace StackEnv.Merge.Protocol;

/// <summary>Turns the server's answers into the result, or into the exception that explains why there is none.</summary>
internal sealed class MergeAnswer
{
    private readonly Exception? _refusal;

    private MergeAnswer(MergeResult? result, Exception? refusal)
    {
        Result = result;
        _refusal = refusal;
    }

    /// <summary>Neither a result nor a refusal: the conservative guards rejected a write that may be allowed.</summary>
    public bool IsInconclusive => Result is null && _refusal is null;

    /// <summary>Whether the table turned out to differ from what its check had found.</summary>
    public bool ShowsUnsuitableTable => _refusal is UnsuitableTableException;

    /// <summary>The result; <see langword="null"/> for a refusal.</summary>
    public MergeResult? Result { get; }

    /// <summary>Only the server knows whether anything was written; the locked read shows what was there before, or why not.</summary>
    public static MergeAnswer Read(MergeTransaction transaction, MergeRequest request, MergeSettings settings) =>
        (transaction.RowsWritten, transaction.Locked) switch
        {
            _ when transaction.RowsLocked > 1 || transaction.RowsWritten > 1 => Refuse(new UnsuitableTableException(
                request.Stack,
                $"More than one row has this key. Column {settings.Table.Key} must be unique, alone or together with the owner that the " +
                $"merge names: CREATE UNIQUE INDEX CONCURRENTLY ON {settings.Table.Name} ({settings.Table.Key});",
                isCommitted: transaction is { CommitCompleted: true, RowsWritten: > 0 })),
            (0, null) => Refuse(new StackNotFoundException(request.Stack)),
            (0, { } row) => Explain(transaction, row, request, settings),
            _ => Written(transaction, request, settings),
        };

    /// <summary>The result, or the exception that says why there is none.</summary>
    public MergeResult ResultOrThrow() => Result ?? throw _refusal!;

    private static MergeAnswer Refuse(Exception refusal) => new(result: null, refusal);

    private static MergeAnswer Written(MergeTransaction transaction, MergeRequest request, MergeSettings settings)
    {
        // The row was inserted between the locked read and the UPDATE, so what it held before is unknown. If nothing was committed yet, the
        // merge is tried once more.
        if (transaction.Locked is not { } row)
        {
            return transaction.CommitCompleted
                ? Refuse(new MergeOutcomeUnknownException(
                    request.Stack,
                    "It was committed, but the stack was created at that moment, so which keys the merge changed is unknown.",
                    innerException: null))
                : InconclusiveUnlessExact(transaction, new StackNotFoundException(request.Stack));
        }

        using var before = StoredEnv.Parse(row.Document);
        using var after = StoredEnv.Parse(transaction.Written);
        return after.IsObject
            ? AnswerWith(after, request, before.ChangesBy(request), transaction.VersionWritten, changed: true)
            : Refuse(new UnsuitableTableException(
                request.Stack,
                $"A trigger stores something other than a JSON object in {settings.Table.EnvVars} of {settings.Table.Name}: fix it.",
                isCommitted: transaction.CommitCompleted));
    }

    private static MergeAnswer Explain(MergeTransaction transaction, LockedRow row, MergeRequest request, MergeSettings settings)
    {
        if (row.Status is { } status && settings.DeletingStatuses.Contains(status))
        {
            return Refuse(new StackDeletingException(request.Stack, status));
        }

        if (request.Stack.Version is { } expected && row.Version != expected)
        {
            return Refuse(new StackVersionException(request.Stack, expected, row.Version));
        }

        using var stored = StoredEnv.Parse(row.Document);
        if (!stored.IsObject)
        {
            return Refuse(new StoredEnvInvalidException(request.Stack));
        }

        var changes = stored.ChangesBy(request);
        if (!changes.Any)
        {
            return AnswerWith(stored, request, changes, row.Version, changed: false);
        }

        var sizes = stored.SizesWith(request);
        if (sizes.Exceed(settings.MaxEnvBytes))
        {
            return Refuse(new EnvTooLargeException(request.Stack, sizes.After, settings.MaxEnvBytes));
        }

        return InconclusiveUnlessExact(transaction, new StackEnvStoreException(
            request.Stack,
            $"The database accepted the UPDATE of {settings.Table.Name} but wrote no row: look for a trigger, a rule or a row-level " +
            "security policy that drops it.",
            sqlState: null,
            isTransient: false));
    }

    private static MergeAnswer InconclusiveUnlessExact(MergeTransaction transaction, Exception refusal) =>
        transaction.Guards == Guards.Conservative ? new(result: null, refusal: null) : Refuse(refusal);

    private static MergeAnswer AnswerWith(
        StoredEnv env, MergeRequest request, StoredEnv.KeyChanges changes, long? version, bool changed)
    {
        var values = env.ToDictionary(request);
        var result = new MergeResult
        {
            Env = new ReadOnlyDictionary<string, string>(values),
            KeysSet = request.Sets.Count,
            KeysDeleted = changes.Deleted.Count,
            TotalAfter = values.Count,
            Changed = changed,
            AddedKeys = changes.Added,
            UpdatedKeys = changes.Updated,
            DeletedKeys = changes.Deleted,
            Version = version,
        };
        return new(result, refusal: null);
    }
}
