using System.ComponentModel;
using StackEnv.Merge;

namespace StackEnv.Samples.Api.Contract;

/// <summary>What <c>PATCH /stacks/{slug}/env</c> answers: the whole set after the merge, redacted, and exact counts.</summary>
internal sealed record EnvPatched(
    [property: Description("The whole set after the change. Secrets read ***.")] IReadOnlyDictionary<string, string> Env,
    [property: Description("How many of the changes had a value.")] int KeysSet,
    [property: Description("How many keys were taken away: only keys that were there.")] int KeysDeleted,
    [property: Description("How many keys there are now.")] int TotalAfter,
    string Message) : Answer
{
    public static EnvPatched Of(MergeResult result) => new(
        Redaction.Of(result.Env),
        result.KeysSet,
        result.KeysDeleted,
        result.TotalAfter,
        result.Changed
            ? "The environment variables are stored. They take effect with the next redeploy."
            : "The environment variables were as asked already. No redeploy is needed.");
}
