namespace StackEnv.Merge.Text;

/// <summary>What PostgreSQL's text types cannot hold, and System.Text.Json would replace silently; and the text of an array.</summary>
internal static class PostgresText
{
    public static bool CanStore(string text) => !HasNul(text) && !HasUnpairedSurrogate(text);

    public static bool HasNul(string text) => text.Contains('\0', StringComparison.Ordinal);

    public static bool HasUnpairedSurrogate(string text)
    {
        var rest = text.AsSpan();
        for (int at; (at = rest.IndexOfAnyInRange('\uD800', '\uDFFF')) >= 0; rest = rest[(at + 2)..])
        {
            if (at + 1 == rest.Length || !char.IsSurrogatePair(rest[at], rest[at + 1]))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The text of a <c>text[]</c>.</summary>
    /// <remarks><see href="https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO">The manual: array input syntax</see>.</remarks>
    public static string Array(IEnumerable<string> elements)
    {
        var quoted = elements.Select(static element =>
            $"\"{element.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"");
        return $"{{{string.Join(',', quoted)}}}";
    }
}
