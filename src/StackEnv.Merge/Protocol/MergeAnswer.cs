namespace StackEnv.Merge.Protocol;

/// <summary>What a committed transaction means to the caller: its result, or the guard that kept the UPDATE from writing.</summary>
internal static class MergeAnswer
{
    public static MergeResult Read(MergeBatch merge, StackRef stack, EnvChanges changes, StackEnvMergeOptions options)
    {
        // Whether anything was written is the server's word alone; the locked read only tells why not.
        return merge.RowsWritten switch
        {
            0 => Explain(merge.Locked ?? throw new StackNotFoundException(stack), stack, changes, options),
            1 => Result(merge.Written, changes, KeysDeleted(merge.Locked, stack, changes), changed: true, options),
            var rows => throw new InvalidOperationException(
                $"{rows} rows have the key {stack}, and the merge went into each of them. Column {SqlIdentifier.Quote(options.KeyColumn)} must be unique, alone or together with the owner that the merge names: add a unique index."),
        };
    }

    private static int KeysDeleted(LockedRow? row, StackRef stack, EnvChanges changes)
    {
        if (changes.Deletes.Length == 0)
        {
            return 0;
        }

        // The row came into being between the locked read and the UPDATE, which then was the first to see it: what it held before, nobody knows.
        if (row is null)
        {
            throw new MergeOutcomeUnknownException(stack);
        }

        using var stored = StoredEnv.Parse(row.Document);
        return stored.EffectOf(changes).KeysDeleted;
    }

    private static MergeResult Explain(LockedRow row, StackRef stack, EnvChanges changes, StackEnvMergeOptions options)
    {
        if (row.Status is { } status && options.DeletingStatuses.Contains(status))
        {
            throw new StackDeletingException(stack, status);
        }

        using var stored = StoredEnv.Parse(row.Document);
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
