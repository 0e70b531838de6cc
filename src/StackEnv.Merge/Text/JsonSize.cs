using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace StackEnv.Merge.Text;

/// <summary>
/// Sizes of compact JSON in UTF-8 bytes, counted as PostgreSQL writes <c>jsonb</c>: only what must be escaped is escaped.
/// </summary>
internal static class JsonSize
{
    public const int EmptyObject = 2;

    /// <summary>The largest string that System.Text.Json writes, in characters; far below what it reads, and what jsonb holds.</summary>
    public const int LargestString = 166_666_666;

    /// <summary>The size of an object whose properties take this much, the commas between them not counted.</summary>
    public static long Object(long propertiesBytes, int properties) => EmptyObject + propertiesBytes + Math.Max(0, properties - 1);

    public static long Property(string name, string value) => String(name) + 1 + String(value);

    public static long Property(JsonProperty property) =>
        2 + JsonMarshal.GetRawUtf8PropertyName(property).Length + 1 + Value(property.Value);

    private static long String(string text)
    {
        long bytes = 2 + Encoding.UTF8.GetByteCount(text);
        foreach (var character in text)
        {
            bytes += character switch
            {
                '"' or '\\' or '\b' or '\f' or '\n' or '\r' or '\t' => 1,
                < ' ' => 5,
                _ => 0,
            };
        }

        return bytes;
    }

    private static long Value(JsonElement value)
    {
        var json = JsonMarshal.GetRawUtf8Value(value);
        return value.ValueKind is JsonValueKind.Object or JsonValueKind.Array ? json.Length - SpacesBetweenTokens(json) : json.Length;
    }

    private static int SpacesBetweenTokens(ReadOnlySpan<byte> json)
    {
        var spaces = 0;
        var inString = false;
        for (var at = 0; at < json.Length; at++)
        {
            switch (json[at])
            {
                case (byte)'\\':
                    at++;
                    break;
                case (byte)'"':
                    inString = !inString;
                    break;
                case (byte)' ' when !inString:
                    spaces++;
                    break;
            }
        }

        return spaces;
    }
}
