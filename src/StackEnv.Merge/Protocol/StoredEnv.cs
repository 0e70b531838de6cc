using System.Collections.ObjectModel;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>The document of one row, as PostgreSQL writes <c>jsonb</c>. SQL NULL reads as an empty set.</summary>
internal sealed class StoredEnv : IDisposable
{
    private const int NameBuffer = 256;

    // What the server could parse is not too deep for us either.
    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = int.MaxValue };
    private static readonly byte[] EmptySet = "{}"u8.ToArray();

    private readonly JsonDocument _document;

    private StoredEnv(JsonDocument document) => _document = document;

    public bool IsObject => _document.RootElement.ValueKind == JsonValueKind.Object;

    public static StoredEnv Parse(RentedJson? json) => new(JsonDocument.Parse(json?.Utf8 ?? EmptySet, AnyDepth));

    public void Dispose() => _document.Dispose();

    /// <summary>The set with its values in clear; what the merge has set shares the strings of the request.</summary>
    public Dictionary<string, string> ToDictionary(MergeRequest request)
    {
        var env = new Dictionary<string, string>(_document.RootElement.GetPropertyCount(), StringComparer.Ordinal);
        Span<char> buffer = stackalloc char[NameBuffer];
        foreach (var property in _document.RootElement.EnumerateObject())
        {
            if (request.TrySet(NameOf(property, buffer), out var key, out var value) && Holds(property, value))
            {
                env.Add(key, value);
            }
            else
            {
                env.Add(property.Name, IsString(property) ? property.Value.GetString()! : property.Value.GetRawText());
            }
        }

        return env;
    }

    /// <summary>What the changes do to this document, by the same rules as the guards of the UPDATE.</summary>
    public KeyChanges ChangesBy(MergeRequest request)
    {
        var present = 0;
        List<string>? updated = null, deleted = null;
        Span<char> buffer = stackalloc char[NameBuffer];
        foreach (var property in _document.RootElement.EnumerateObject())
        {
            var name = NameOf(property, buffer);
            if (request.TrySet(name, out var key, out var value))
            {
                present++;
                if (!Holds(property, value))
                {
                    (updated ??= []).Add(key);
                }
            }
            else if (request.TryDelete(name, out key))
            {
                (deleted ??= []).Add(key);
            }
        }

        return new(InOrder(present < request.Sets.Count ? SetsWithoutKey(request) : null), InOrder(updated), InOrder(deleted));
    }

    /// <summary>The sizes of this document, and of the one that the changes make of it.</summary>
    public Sizes SizesWith(MergeRequest request)
    {
        long before = 0, after = 0;
        int properties = 0, kept = 0;
        Span<char> buffer = stackalloc char[NameBuffer];
        foreach (var property in _document.RootElement.EnumerateObject())
        {
            var bytes = JsonSize.Property(property);
            before += bytes;
            properties++;
            var name = NameOf(property, buffer);
            if (!request.TrySet(name, out _, out _) && !request.TryDelete(name, out _))
            {
                after += bytes;
                kept++;
            }
        }

        foreach (var (key, value) in request.Sets)
        {
            after += JsonSize.Property(key, value);
        }

        return new(Before: JsonSize.Object(before, properties), After: JsonSize.Object(after, kept + request.Sets.Count));
    }

    private List<string> SetsWithoutKey(MergeRequest request)
    {
        var missing = new HashSet<string>(request.Sets.Keys, StringComparer.Ordinal);
        Span<char> buffer = stackalloc char[NameBuffer];
        foreach (var property in _document.RootElement.EnumerateObject())
        {
            if (request.TrySet(NameOf(property, buffer), out var key, out _))
            {
                missing.Remove(key);
            }
        }

        return [.. missing];
    }

    private static bool IsString(JsonProperty property) => property.Value.ValueKind == JsonValueKind.String;

    private static bool Holds(JsonProperty property, string value) => IsString(property) && property.Value.ValueEquals(value);

    // The name without a string of its own: most keys of a set are not among the changes.
    private static ReadOnlySpan<char> NameOf(JsonProperty property, Span<char> buffer)
    {
        var name = JsonMarshal.GetRawUtf8PropertyName(property);
        return name.Length <= buffer.Length && !name.Contains((byte)'\\')
            ? buffer[..Encoding.UTF8.GetChars(name, buffer)]
            : property.Name;
    }

    private static ReadOnlyCollection<string> InOrder(List<string>? keys)
    {
        keys?.Sort(StringComparer.Ordinal);
        return keys?.AsReadOnly() ?? ReadOnlyCollection<string>.Empty;
    }

    /// <summary>What a merge does to one document, by key.</summary>
    public readonly record struct KeyChanges(
        IReadOnlyList<string> Added, IReadOnlyList<string> Updated, IReadOnlyList<string> Deleted)
    {
        public bool Any => Added.Count + Updated.Count + Deleted.Count > 0;
    }

    /// <summary>The sizes of a document before and after a merge, in bytes.</summary>
    [StructLayout(LayoutKind.Auto)]
    public readonly record struct Sizes(long Before, long After)
    {
        /// <summary>A set over the limit may still be made smaller.</summary>
        public bool Exceed(int maxEnvBytes) => After > maxEnvBytes && After >= Before;
    }
}
