namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>What one caller asks for.</summary>
/// <param name="Kind">The kind of operation, for the figures.</param>
/// <param name="Stack">The stack's id.</param>
/// <param name="Owner">The owner that the stack must have, or <see langword="null"/> for any.</param>
/// <param name="ReadsVersion">Whether the caller reads the version just before, and merges only into that.</param>
/// <param name="AtVersion">The version that its row has to have, or <see langword="null"/> for any.</param>
/// <param name="Changes">The changes by key.</param>
/// <param name="MaxEnvBytes">The cap on the merged set.</param>
/// <param name="LockTimeout">How long the caller waits for the row.</param>
/// <param name="CancelAfter">When the caller gives up, if it does.</param>
internal sealed record MergeRequest(
    string Kind,
    Guid Stack,
    Guid? Owner,
    bool ReadsVersion,
    long? AtVersion,
    IReadOnlyDictionary<string, string?> Changes,
    int MaxEnvBytes,
    TimeSpan LockTimeout,
    TimeSpan? CancelAfter)
{
    public override string ToString() =>
        $"{Kind} of {(Owner is { } owner ? $"owner {owner}" : "any owner")} " +
        $"at {(AtVersion is { } version ? $"version {version}" : "any version")}, at most {MaxEnvBytes} bytes: " +
        $"{EnvText.Of(Changes.Select(static change => KeyValuePair.Create(change.Key, change.Value ?? "")))}";
}
