namespace StackEnv.Samples.Api.Contract;

/// <summary>What <c>GET /healthz</c> answers.</summary>
internal sealed record HealthAnswer : Answer;
