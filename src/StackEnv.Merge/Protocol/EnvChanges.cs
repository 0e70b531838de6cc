using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace StackEnv.Merge.Protocol;

/// <summary>The caller's changes, found valid: what is set and what is deleted, also in the form in which PostgreSQL takes them.</summary>
internal sealed partial class EnvChanges
{
    private static readonly JsonContext AsPostgresWritesIt = new(new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private readonly HashSet<string>? _deleted;

    private EnvChanges(Dictionary<string, string> sets, HashSet<string>? deleted, long setsBytes)
    {
        _deleted = deleted;
        Sets = sets;
        SetsBytes = (int)setsBytes;
        SetsJson = JsonSerializer.SerializeToUtf8Bytes(sets, AsPostgresWritesIt.DictionaryStringString);
        DeletesArray = deleted is null ? null : AsArray(deleted);
    }

    public Dictionary<string, string> Sets { get; }

    public byte[] SetsJson { get; }

    /// <summary>The size that the sets alone would have as a whole document.</summary>
    public int SetsBytes { get; }

    /// <summary>What is deleted, as the text of a <c>text[]</c>; <see langword="null"/> where nothing is.</summary>
    /// <remarks>As text, because a data source of <see cref="Npgsql.NpgsqlSlimDataSourceBuilder"/> knows no arrays unless it is told to.</remarks>
    public string? DeletesArray { get; }

    /// <summary>Checks everything that can be known without the row. Nothing has been sent when this throws.</summary>
    public static EnvChanges Check(StackRef stack, IReadOnlyDictionary<string, string?> changes, StackEnvMergeOptions options)
    {
        var sets = new Dictionary<string, string>(changes.Count, StringComparer.Ordinal);
        HashSet<string>? deleted = null;
        long propertiesBytes = 0;
        foreach (var (key, value) in changes)
        {
            if (key is null || !PostgresText.CanStore(key) || !options.IsValidKey(key))
            {
                throw new InvalidEnvKeyException(stack, key ?? "");
            }

            if (string.IsNullOrEmpty(value))
            {
                (deleted ??= new(StringComparer.Ordinal)).Add(key);
                continue;
            }

            if (WhatPostgresCannotStoreIn(value) is { } reason)
            {
                throw new InvalidEnvValueException(stack, key, reason);
            }

            sets[key] = value;
            propertiesBytes += CompactJson.PropertyBytes(key, value);
        }

        var size = CompactJson.ObjectBytes(propertiesBytes, sets.Count);
        return size <= options.MaxEnvBytes ? new(sets, deleted, size) : throw new EnvTooLargeException(stack, size, options.MaxEnvBytes);
    }

    public bool Delete(string key) => _deleted?.Contains(key) ?? false;

    // https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    private static string AsArray(IEnumerable<string> elements)
    {
        var quoted = elements.Select(static element => $"\"{element.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"");
        return $"{{{string.Join(',', quoted)}}}";
    }

    private static string? WhatPostgresCannotStoreIn(string value) =>
        PostgresText.HasNul(value) ? "contains NUL (U+0000), which PostgreSQL cannot store"
        : PostgresText.HasUnpairedSurrogate(value) ? "contains half of a surrogate pair, which is not valid Unicode"
        : null;

    [JsonSerializable(typeof(Dictionary<string, string>))]
    private sealed partial class JsonContext : JsonSerializerContext;
}
