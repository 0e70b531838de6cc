namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>The contract of a merge as a function of the row: what the caller is told, and the row afterwards.</summary>
/// <remarks>
/// The campaign of hostile input has a model of its own, on purpose: an oracle must not share code with what it judges, nor with another
/// oracle, because a mistake in the shared part would then agree with itself. Only the form of an answer, <see cref="Told"/>, is the same.
/// </remarks>
internal static class MergeModel
{
    public static (Told Told, StackState? After) Apply(MergeRequest request, StackState? row)
    {
        var sets = request.Changes.Where(static change => !string.IsNullOrEmpty(change.Value))
            .ToDictionary(static change => change.Key, static change => change.Value!);
        if (EnvText.Bytes(sets) is var alone && alone > request.MaxEnvBytes)
        {
            return (Told.TooLarge(alone, request.MaxEnvBytes), row);
        }

        if (row is null || (request.Owner is { } owner && owner != row.Owner))
        {
            return (Told.NotFound, row);
        }

        if (row.Status is "deleting")
        {
            return (Told.Deleting(row.Status), row);
        }

        if (request.AtVersion is { } expected && expected != row.Version)
        {
            return (Told.AtAnotherVersion(expected, row.Version), row);
        }

        var env = EnvText.Parse(row.Env);
        SortedSet<string> added = new(StringComparer.Ordinal), updated = new(StringComparer.Ordinal), deleted = new(StringComparer.Ordinal);
        foreach (var (key, value) in request.Changes)
        {
            var isThere = env.TryGetValue(key, out var old);
            if (!string.IsNullOrEmpty(value))
            {
                env[key] = value;
                _ = isThere ? old != value && updated.Add(key) : added.Add(key);
            }
            else if (env.Remove(key))
            {
                deleted.Add(key);
            }
        }

        var text = EnvText.Of(env);
        var changed = text != row.Env;
        var after = changed ? row with { Env = text, Version = row.Version + 1 } : row;
        var bytes = EnvText.Bytes(env);
        return changed && bytes > request.MaxEnvBytes && bytes >= EnvText.Bytes(EnvText.Parse(row.Env))
            ? (Told.TooLarge(bytes, request.MaxEnvBytes), row)
            : (Told.Merged(changed, sets.Count, deleted.Count, env.Count, env, (added, updated, deleted), after.Version), after);
    }
}
