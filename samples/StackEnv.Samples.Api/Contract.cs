using System.ComponentModel;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

// The bodies of the HTTP contract, in one file because they are read together. Failures are in Problems/.

/// <summary>The body of <c>POST /stacks</c>.</summary>
internal sealed partial record NewStack(
    [property: Description("The name in the stack's URL: 1 to 63 lower-case letters, digits and inner hyphens.")]
    string? Slug)
{
    [JsonIgnore]
    public bool HasValidSlug => Slug is not null && SlugGrammar().IsMatch(Slug);

    [GeneratedRegex(@"\A[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\z", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex SlugGrammar();
}

/// <summary>The body of <c>PATCH /stacks/{slug}/env</c>.</summary>
internal sealed record EnvPatch(
    [property: Description("The changes by key, which matches [A-Z_][A-Z0-9_]*. A value sets the key; an empty string or null deletes it.")]
    Dictionary<string, string?>? Env)
{
    // A record would print its values.
    public override string ToString() => nameof(EnvPatch);
}

/// <summary>Every success says so.</summary>
internal abstract record Answer
{
    [JsonPropertyOrder(-1)]
    public bool Ok => true;
}

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

/// <summary>What <c>GET /stacks/{slug}/env</c> answers.</summary>
internal sealed record EnvAnswer(
    [property: Description("The whole set. Secrets read ***.")] IReadOnlyDictionary<string, string> Env) : Answer
{
    public int Total => Env.Count;
}

/// <summary>One stack.</summary>
internal sealed record StackAnswer(StackView Stack) : Answer;

/// <summary>A stack without its environment variables.</summary>
internal sealed record StackView(Guid Id, string Slug, string Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);

/// <summary>What <c>GET /stacks/{slug}/audit</c> answers.</summary>
internal sealed record AuditAnswer(IReadOnlyList<AuditEntry> Audit) : Answer;

/// <summary>One row of the audit log.</summary>
internal sealed record AuditEntry(long Id, DateTimeOffset At, string Kind, string Resource, AuditMetadata Metadata);

/// <summary>What an audit row says of a merge: the exact counts, and never a key or a value.</summary>
internal sealed record AuditMetadata(int KeysSet, int KeysDeleted, int TotalAfter);

/// <summary>What <c>GET /healthz</c> answers.</summary>
internal sealed record HealthAnswer : Answer;
