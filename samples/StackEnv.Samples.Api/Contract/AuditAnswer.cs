namespace StackEnv.Samples.Api.Contract;

/// <summary>What <c>GET /stacks/{slug}/audit</c> answers.</summary>
internal sealed record AuditAnswer(IReadOnlyList<AuditEntry> Audit) : Answer;
