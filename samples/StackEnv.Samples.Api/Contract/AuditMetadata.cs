namespace StackEnv.Samples.Api.Contract;

/// <summary>What an audit row says of a merge: the exact counts, and never a key or a value.</summary>
internal sealed record AuditMetadata(int KeysSet, int KeysDeleted, int TotalAfter);
