using System.ComponentModel;

namespace StackEnv.Samples.Api;

// The bodies of the HTTP contract, in one file because they are read together. Failures are in Problem.cs.

internal sealed record EnvPatch(
    [property: Description("The changes by key, which matches [A-Z_][A-Z0-9_]*. A value sets the key; an empty string or null deletes it.")]
    Dictionary<string, string?>? Env = null)
{
    // A record would print its values.
    public override string ToString() => nameof(EnvPatch);
}

/// <summary>The whole set after the merge, redacted, and exact counts.</summary>
internal sealed record EnvPatched(
    bool Ok, [property: Description("The whole set after the change. " + Redaction.Rule)] IReadOnlyDictionary<string, string> Env,
    [property: Description("How many of the changes had a value.")] int KeysSet,
    [property: Description("How many keys were deleted: only keys that were there.")] int KeysDeleted,
    [property: Description("How many keys there are now.")] int TotalAfter, string Message);

internal sealed record EnvShown(
    bool Ok, [property: Description("The whole set. " + Redaction.Rule)] IReadOnlyDictionary<string, string> Env, int Total);
