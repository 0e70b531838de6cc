using System.Diagnostics.CodeAnalysis;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// Which stack, and the changes found valid: what is set and what is deleted, also in the form in which PostgreSQL takes them.
/// </summary>
internal sealed partial class MergeRequest : IDisposable
{
    private static readonly JsonContext AsPostgresWritesIt = new(new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private readonly HashSet<string>? _deleted;

    private MergeRequest(StackRef stack, Dictionary<string, string> sets, HashSet<string>? deleted, long setsBytes)
    {
        _deleted = deleted;
        Stack = stack;
        Sets = sets;
        SetsBytes = (int)setsBytes;
        SetsJson = JsonSerializer.SerializeToUtf8Bytes(sets, AsPostgresWritesIt.DictionaryStringString);
        DeletesArray = deleted is null ? null : PostgresText.Array(deleted);
    }

    public StackRef Stack { get; }

    public Dictionary<string, string> Sets { get; }

    public byte[] SetsJson { get; }

    /// <summary>The size that the sets alone would have as a whole document.</summary>
    public int SetsBytes { get; }

    /// <summary>What is deleted, as the text of a <c>text[]</c>; <see langword="null"/> if nothing is.</summary>
    /// <remarks>
    /// As text, because a data source of <see cref="Npgsql.NpgsqlSlimDataSourceBuilder"/> does not support arrays unless it is told to.
    /// </remarks>
    public string? DeletesArray { get; }

    /// <summary>Checks everything that can be known without the row. Nothing has been sent when this throws.</summary>
    public static MergeRequest Check(StackRef stack, IReadOnlyDictionary<string, string?> changes, MergeSettings settings)
    {
        var sets = new Dictionary<string, string>(changes.Count, StringComparer.Ordinal);
        HashSet<string>? deleted = null;
        long setsBytes = 0, deletesBytes = 0;
        foreach (var (key, value) in changes)
        {
            if (key is null || !PostgresText.CanStore(key) || !settings.IsValidKey(key))
            {
                throw new InvalidEnvKeyException(stack, key ?? "");
            }

            bool isNew;
            if (string.IsNullOrEmpty(value))
            {
                isNew = (deleted ??= new(StringComparer.Ordinal)).Add(key) && !sets.ContainsKey(key);
                deletesBytes += JsonSize.Property(key, "");
            }
            else if (WhatPostgresCannotStoreIn(value) is { } reason)
            {
                throw new InvalidEnvValueException(stack, key, reason);
            }
            else
            {
                isNew = sets.TryAdd(key, value) && deleted?.Contains(key) is not true;
                setsBytes += JsonSize.Property(key, value);
            }

            if (!isNew)
            {
                throw new ArgumentException($"The changes have the key {Printable.Quote(key)} more than once.", nameof(changes));
            }
        }

        // Deleting a key takes the server as many comparisons as the row has keys, so what is deleted is limited too.
        setsBytes = JsonSize.Object(setsBytes, sets.Count);
        ThrowIfTooLarge(stack, setsBytes, settings.MaxEnvBytes);
        ThrowIfTooLarge(stack, JsonSize.Object(deletesBytes, deleted?.Count ?? 0), settings.MaxDeletesBytes);
        return NamesARow(stack) ? new(stack, sets, deleted, setsBytes) : throw new StackNotFoundException(stack);
    }

    /// <summary>Wipes the JSON of the sets: it is full of secrets.</summary>
    public void Dispose() => Array.Clear(SetsJson);

    /// <summary>Finds what a key is set to, and the key as a string that is there already.</summary>
    public bool TrySet(ReadOnlySpan<char> name, [NotNullWhen(true)] out string? key, [NotNullWhen(true)] out string? value) =>
        Sets.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out key, out value);

    /// <summary>Finds whether a key is deleted, and the key as a string that is there already.</summary>
    public bool TryDelete(ReadOnlySpan<char> name, [NotNullWhen(true)] out string? key)
    {
        key = null;
        return _deleted is not null && _deleted.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name, out key);
    }

    // A slug often comes straight from a URL. What PostgreSQL cannot store, no row can have.
    private static bool NamesARow(StackRef stack) =>
        (stack.Key is not string key || PostgresText.CanStore(key)) && (stack.Owner is not string owner || PostgresText.CanStore(owner));

    private static void ThrowIfTooLarge(StackRef stack, long size, int limit)
    {
        if (size > limit)
        {
            throw new EnvTooLargeException(stack, size, limit);
        }
    }

    private static string? WhatPostgresCannotStoreIn(string value) =>
        PostgresText.HasNul(value) ? "contains NUL (U+0000), which PostgreSQL cannot store"
        : PostgresText.HasUnpairedSurrogate(value) ? "contains half of a surrogate pair, which is not valid Unicode"
        : null;

    [JsonSerializable(typeof(Dictionary<string, string>))]
    private sealed partial class JsonContext : JsonSerializerContext;
}
