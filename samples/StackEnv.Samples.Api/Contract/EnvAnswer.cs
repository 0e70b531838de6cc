using System.ComponentModel;

namespace StackEnv.Samples.Api.Contract;

/// <summary>What <c>GET /stacks/{slug}/env</c> answers.</summary>
internal sealed record EnvAnswer([property: Description("The whole set. Secrets read ***.")] IReadOnlyDictionary<string, string> Env) : Answer
{
    public int Total => Env.Count;
}
