using System.ComponentModel;

namespace StackEnv.Samples.Api.Contract;

/// <summary>The body of <c>PATCH /stacks/{slug}/env</c>.</summary>
internal sealed record EnvPatch(
    [property: Description("The changes by key, which matches [A-Z_][A-Z0-9_]*. A value sets the key; an empty string or null deletes it.")]
    Dictionary<string, string?>? Env)
{
    // A record would print its values.
    public override string ToString() => nameof(EnvPatch);
}
