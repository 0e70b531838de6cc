namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>The contract of a merge as a function of the row: what the caller is told, and the row afterwards.</summary>
internal static class MergeModel
{
    public static (Outcome Told, StackState? After) Apply(MergeRequest request, StackState? row)
    {
        var sets = request.Changes.Where(static change => !string.IsNullOrEmpty(change.Value)).ToDictionary(static change => change.Key, static change => change.Value!);
        if (EnvText.Bytes(sets) is var alone && alone > request.MaxEnvBytes)
        {
            return (Outcome.TooLarge(alone, request.MaxEnvBytes), row);
        }

        if (row is null || (request.Owner is { } owner && owner != row.Owner))
        {
            return (Outcome.NotFound(), row);
        }

        if (row.Status is "deleting")
        {
            return (Outcome.Deleting(row.Status), row);
        }

        var env = EnvText.Parse(row.Env);
        var deleted = 0;
        foreach (var (key, value) in request.Changes)
        {
            if (!string.IsNullOrEmpty(value))
            {
                env[key] = value;
            }
            else if (env.Remove(key))
            {
                deleted++;
            }
        }

        var after = row with { Env = EnvText.Of(env) };
        var changed = after != row;
        var bytes = EnvText.Bytes(env);
        return changed && bytes > request.MaxEnvBytes && bytes >= EnvText.Bytes(EnvText.Parse(row.Env))
            ? (Outcome.TooLarge(bytes, request.MaxEnvBytes), row)
            : (Outcome.Merged(changed, sets.Count, deleted, env.Count, after.Env), after);
    }
}
