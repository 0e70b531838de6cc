namespace StackEnv.Merge.Protocol;

/// <summary>What a committed transaction means to the caller: its result, or the guard that kept the UPDATE from writing.</summary>
internal static class MergeAnswer
{
    public static MergeResult Read(MergeBatch merge, StackRef stack, EnvChanges changes, StackEnvMergeOptions options)
    {
        if (merge.Locked is not { } row)
        {
            throw new StackNotFoundException(stack);
        }

        using var stored = StoredEnv.Parse(row.Document);

        // Whether anything was written is the server's word alone; the locked read only tells why not.
        return merge.RowsWritten switch
        {
            0 => Explain(row, stored, stack, changes, options),
            1 => Result(merge.Written, changes, stored.EffectOf(changes).KeysDeleted, changed: true, options),
            var rows => throw new InvalidOperationException(
                $"{rows} rows have the key {stack}, and the merge went into each of them. Column {SqlIdentifier.Quote(options.KeyColumn)} must be unique, alone or together with the owner that the merge names: add a unique index."),
        };
    }

    private static MergeResult Explain(LockedRow row, StoredEnv stored, StackRef stack, EnvChanges changes, StackEnvMergeOptions options)
    {
        if (row.Status is { } status && options.DeletingStatuses.Contains(status))
        {
            throw new StackDeletingException(stack, status);
        }

        if (!stored.IsObject)
        {
            throw new StoredEnvInvalidException(stack);
        }

        var effect = stored.EffectOf(changes);
        if (!effect.Changes)
        {
            return Result(row.Document, changes, keysDeleted: 0, changed: false, options);
        }

        if (effect.Exceeds(options.MaxEnvBytes))
        {
            throw new EnvTooLargeException(stack, effect.BytesAfter, options.MaxEnvBytes);
        }

        throw new StackEnvStoreException(
            stack,
            $"The database accepted the UPDATE of {SqlIdentifier.Table(options)} but wrote no row: look for a trigger, a rule or a row-level security policy that drops it.",
            sqlState: null,
            isTransient: false);
    }

    private static MergeResult Result(byte[]? document, EnvChanges changes, int keysDeleted, bool changed, StackEnvMergeOptions options)
    {
        using var env = StoredEnv.Parse(document);
        if (!env.IsObject)
        {
            throw new InvalidOperationException(
                $"The merge was committed, but what {SqlIdentifier.Table(options)} holds in {SqlIdentifier.Quote(options.EnvVarsColumn)} now is not a JSON object: look for a trigger that rewrites it.");
        }

        var values = env.ToDictionary();
        return new()
        {
            Env = values,
            KeysSet = changes.SetCount,
            KeysDeleted = keysDeleted,
            TotalAfter = values.Count,
            Changed = changed,
        };
    }
}
