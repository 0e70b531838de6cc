using System.Globalization;
using Microsoft.Net.Http.Headers;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

/// <summary>
/// The version of a stack as an entity tag (<see href="https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1">RFC 9110, If-Match</see>):
/// a client that sends the tag of what it read changes only that.
/// </summary>
internal static class EntityTags
{
    public static void Show(HttpResponse response, long version) =>
        response.GetTypedHeaders().ETag = new EntityTagHeaderValue($"\"{version}\"");

    /// <summary>The stack at the version that the request asks for, if it asks.</summary>
    /// <exception cref="BadHttpRequestException">The header is not one entity tag.</exception>
    public static StackRef AtVersionOf(HttpRequest request, StackRef stack) => request.GetTypedHeaders().IfMatch switch
    {
        [] when request.Headers.IfMatch.Count == 0 => stack,
        [{ Tag.Value: "*" }] => stack,

        // A weak tag, or one that this API did not give, matches no version.
        [{ IsWeak: false } tag] when long.TryParse(tag.Tag.AsSpan().Trim('"'), CultureInfo.InvariantCulture, out var version) =>
            stack.AtVersion(version),
        [_] => stack.AtVersion(-1),
        _ => throw new BadHttpRequestException("If-Match takes one entity tag."),
    };
}
