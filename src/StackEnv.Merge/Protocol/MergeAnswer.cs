namespace StackEnv.Merge.Protocol;

/// <summary>What the server's answers mean to the caller: the result, or why there is none.</summary>
internal sealed class MergeAnswer
{
    private readonly Exception? _refusal;

    private MergeAnswer(MergeResult? result, Exception? refusal)
    {
        Result = result;
        _refusal = refusal;
    }

    /// <summary>Neither a result nor a refusal: the guards were too quick to say no.</summary>
    public bool IsOpen => Result is null && _refusal is null;

    /// <summary>The result; <see langword="null"/> for a refusal.</summary>
    public MergeResult? Result { get; }

    /// <summary>Whether anything was written is the server's word alone; the locked read tells what was there before, or why not.</summary>
    public static MergeAnswer Read(MergeTransaction transaction, StackRef stack, EnvChanges changes, StackEnvMergeOptions options) =>
        (transaction.RowsWritten, transaction.Locked) switch
        {
            (0, null) => Refuse(new StackNotFoundException(stack)),
            (0, { } row) => Explain(transaction, row, stack, changes, options),
            (1, _) => Written(transaction, stack, changes, options),
            (var rows, _) => Refuse(new InvalidOperationException(
                $"{rows} rows have the key {stack}. {Fate(transaction)} Column {SqlIdentifier.Quote(options.KeyColumn)} must be unique, alone or together with the owner that the merge names: add a unique index.")),
        };

    /// <summary>The result, or the exception that says why there is none.</summary>
    public MergeResult ResultOrThrow() => Result ?? throw _refusal!;

    private static MergeAnswer Refuse(Exception refusal) => new(result: null, refusal);

    private static MergeAnswer Written(MergeTransaction transaction, StackRef stack, EnvChanges changes, StackEnvMergeOptions options)
    {
        var keysDeleted = 0;
        if (changes.DeletesArray is not null)
        {
            // The row came into being between the locked read and the UPDATE, which then was the first to see it: what it held before,
            // nobody knows.
            if (transaction.Locked is not { } row)
            {
                return Refuse(transaction.CommitCompleted ? new MergeOutcomeUnknownException(stack) : new StackNotFoundException(stack));
            }

            using var before = StoredEnv.Parse(row.Document);
            keysDeleted = before.EffectOf(changes).KeysDeleted;
        }

        using var after = StoredEnv.Parse(transaction.Written);
        return after.IsObject
            ? AnswerWith(after, changes, keysDeleted, changed: true)
            : Refuse(new InvalidOperationException(
                $"A trigger makes something else than a JSON object of {SqlIdentifier.Quote(options.EnvVarsColumn)} in {SqlIdentifier.Table(options)}. {Fate(transaction)}"));
    }

    private static MergeAnswer Explain(MergeTransaction transaction, LockedRow row, StackRef stack, EnvChanges changes, StackEnvMergeOptions options)
    {
        if (row.Status is { } status && options.DeletingStatuses.Contains(status))
        {
            return Refuse(new StackDeletingException(stack, status));
        }

        using var stored = StoredEnv.Parse(row.Document);
        if (!stored.IsObject)
        {
            return Refuse(new StoredEnvInvalidException(stack));
        }

        var effect = stored.EffectOf(changes);
        if (!effect.Changes)
        {
            return AnswerWith(stored, changes, keysDeleted: 0, changed: false);
        }

        if (effect.Exceeds(options.MaxEnvBytes))
        {
            return Refuse(new EnvTooLargeException(stack, effect.BytesAfter, options.MaxEnvBytes));
        }

        return transaction.Guards == Guards.Quick
            ? new(result: null, refusal: null)
            : Refuse(new StackEnvStoreException(
                stack,
                $"The database accepted the UPDATE of {SqlIdentifier.Table(options)} but wrote no row: look for a trigger, a rule or a row-level security policy that drops it.",
                sqlState: null,
                isTransient: false));
    }

    private static MergeAnswer AnswerWith(StoredEnv env, EnvChanges changes, int keysDeleted, bool changed)
    {
        var values = env.ToDictionary();
        var result = new MergeResult
        {
            Env = values,
            KeysSet = changes.Sets.Count,
            KeysDeleted = keysDeleted,
            TotalAfter = values.Count,
            Changed = changed,
        };
        return new(result, refusal: null);
    }

    private static string Fate(MergeTransaction transaction) =>
        transaction.CommitCompleted ? "The merge was committed all the same." : "The merge was rolled back.";
}
