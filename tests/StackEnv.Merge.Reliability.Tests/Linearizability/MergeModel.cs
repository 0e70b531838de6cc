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
            ? (Told.TooLarge(bytes, request.MaxEnvBytes), row)
            : (Told.Merged(changed, sets.Count, deleted, env.Count, env), after);
    }
}
