using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace StackEnv.Merge.Protocol;

/// <summary>The caller's changes, found valid: what is set, as the JSON object that is merged in, and what is deleted.</summary>
internal sealed class EnvChanges
{
    private static readonly JsonWriterOptions AsPostgresWritesIt = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    private readonly Dictionary<string, string?> _byKey;

    private EnvChanges(Dictionary<string, string?> byKey, int setCount)
    {
        _byKey = byKey;
        SetCount = setCount;
        Deletes = setCount == byKey.Count ? [] : [.. byKey.Where(static change => change.Value is null).Select(static change => change.Key)];
        SetsJson = WriteSets();
    }

    public int SetCount { get; }

    public string[] Deletes { get; }

    public ReadOnlyMemory<byte> SetsJson { get; }

    public IEnumerable<KeyValuePair<string, string>> Sets => _byKey.Where(static change => change.Value is not null)!;

    /// <summary>Checks everything that can be known without the row. Nothing has been sent when this throws.</summary>
    public static EnvChanges Check(StackRef stack, IReadOnlyDictionary<string, string?> changes, StackEnvMergeOptions options)
    {
        var byKey = new Dictionary<string, string?>(changes.Count, StringComparer.Ordinal);
        var sets = 0;
        long setsBytes = 0;
        foreach (var (key, value) in changes)
        {
            if (key is null || !PostgresText.CanStore(key) || !options.IsValidKey(key))
            {
                throw new InvalidEnvKeyException(stack, key ?? "");
            }

            if (string.IsNullOrEmpty(value))
            {
                byKey[key] = null;
                continue;
            }

            if (WhatPostgresCannotStoreIn(value) is { } reason)
            {
                throw new InvalidEnvValueException(stack, key, reason);
            }

            byKey[key] = value;
            sets++;
            setsBytes += CompactJson.PropertyBytes(key, value);
        }

        var size = CompactJson.ObjectBytes(setsBytes, sets);
        return size <= options.MaxEnvBytes ? new(byKey, sets) : throw new EnvTooLargeException(stack, size, options.MaxEnvBytes);
    }

    /// <summary>Whether the key is changed at all; a value of <see langword="null"/> deletes it.</summary>
    public bool TryGet(string key, out string? value) => _byKey.TryGetValue(key, out value);

    private static string? WhatPostgresCannotStoreIn(string value) =>
        PostgresText.HasNul(value) ? "contains NUL (U+0000), which PostgreSQL cannot store"
        : PostgresText.HasUnpairedSurrogate(value) ? "contains half of a surrogate pair, which is not valid Unicode"
        : null;

    private ReadOnlyMemory<byte> WriteSets()
    {
        var json = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(json, AsPostgresWritesIt))
        {
            writer.WriteStartObject();
            foreach (var (key, value) in Sets)
            {
                writer.WriteString(key, value);
            }

            writer.WriteEndObject();
        }

        return json.WrittenMemory;
    }
}
