using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace StackEnv.Merge.Testing;

/// <summary>A set as one text: compact JSON in the order of the keys, so that equal sets are equal texts.</summary>
public static class EnvText
{
    // Escapes no more than JSON demands, for the characters that the campaign draws from.
    private static readonly JsonSerializerOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Of(IEnumerable<KeyValuePair<string, string>> env) =>
        JsonSerializer.Serialize(new SortedDictionary<string, string>(env.ToDictionary(), StringComparer.Ordinal), Compact);

    public static Dictionary<string, string> Parse(string text) => JsonSerializer.Deserialize<Dictionary<string, string>>(text)!;

    public static int Bytes(IEnumerable<KeyValuePair<string, string>> env) => Encoding.UTF8.GetByteCount(Of(env));
}
