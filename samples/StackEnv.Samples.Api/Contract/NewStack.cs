using System.ComponentModel;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace StackEnv.Samples.Api.Contract;

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
