namespace StackEnv.Samples.Api.Contract;

/// <summary>One row of the audit log.</summary>
internal sealed record AuditEntry(long Id, DateTimeOffset At, string Kind, string Resource, AuditMetadata Metadata);
