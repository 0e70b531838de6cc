using System.Text.Json;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>The document of one row, as PostgreSQL writes <c>jsonb</c>. SQL NULL reads as an empty set.</summary>
internal sealed class StoredEnv : IDisposable
{
    // What the server could parse is not too deep for us either.
    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = int.MaxValue };
    private static readonly byte[] EmptySet = "{}"u8.ToArray();

    private readonly JsonDocument _document;

    private StoredEnv(JsonDocument document) => _document = document;

    public bool IsObject => _document.RootElement.ValueKind == JsonValueKind.Object;

    public static StoredEnv Parse(RentedJson? json) => new(JsonDocument.Parse(json?.Utf8 ?? EmptySet, AnyDepth));

    public void Dispose() => _document.Dispose();

    public Dictionary<string, string> ToDictionary()
    {
        var env = new Dictionary<string, string>(_document.RootElement.GetPropertyCount(), StringComparer.Ordinal);
        foreach (var property in _document.RootElement.EnumerateObject())
        {
            env.Add(property.Name, IsString(property) ? property.Value.GetString()! : property.Value.GetRawText());
        }

        return env;
    }

    /// <summary>What the changes do to this document, by the same rules as the guards of the UPDATE.</summary>
    public Effect EffectOf(MergeRequest request)
    {
        long before = 0, after = 0;
        int properties = 0, kept = 0, asSet = 0, deleted = 0;
        foreach (var property in _document.RootElement.EnumerateObject())
        {
            var bytes = JsonSize.Property(property);
            before += bytes;
            properties++;
            if (request.Sets.TryGetValue(property.Name, out var value))
            {
                asSet += IsString(property) && property.Value.ValueEquals(value) ? 1 : 0;
            }
            else if (request.Deletes(property.Name))
            {
                deleted++;
            }
            else
            {
                after += bytes;
                kept++;
            }
        }

        foreach (var (key, value) in request.Sets)
        {
            after += JsonSize.Property(key, value);
        }

        return new(
            KeysDeleted: deleted,
            Changes: deleted > 0 || asSet < request.Sets.Count,
            BytesBefore: JsonSize.Object(before, properties),
            BytesAfter: JsonSize.Object(after, kept + request.Sets.Count));
    }

    private static bool IsString(JsonProperty property) => property.Value.ValueKind == JsonValueKind.String;

    /// <summary>What a merge does to one document.</summary>
    public readonly record struct Effect(int KeysDeleted, bool Changes, long BytesBefore, long BytesAfter)
    {
        /// <summary>A set over the limit may still be made smaller.</summary>
        public bool Exceeds(int maxEnvBytes) => BytesAfter > maxEnvBytes && BytesAfter >= BytesBefore;
    }
}
