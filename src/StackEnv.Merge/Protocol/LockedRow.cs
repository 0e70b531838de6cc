namespace StackEnv.Merge.Protocol;

/// <summary>What the locked read found.</summary>
internal sealed record LockedRow(string? Status, byte[]? Document);
