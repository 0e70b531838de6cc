using System.Globalization;
using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>The contract as a plain function of the case, written from the documentation.</summary>
/// <remarks>
/// It shares no code with the library, nor with the model of the linearizability campaign: each checks the other.
/// </remarks>
internal static class MergeModel
{
    private const int LongestShownKey = 64;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static Expectation Of(HostileCase hostile)
    {
        if (hostile.Fault is { } invalid && OptionFault.OfTheOptions.Contains(invalid))
        {
            return Expectation.Of(invalid.Told);
        }

        var (key, owner) = (hostile.Stack.Key, hostile.Stack.Owner);
        if (hostile.RequiresOwner && owner is null)
        {
            return Expectation.Of(new Told("misuse_stack"));
        }

        if (hostile.AtVersion is not null && !hostile.NamesVersion)
        {
            return Expectation.Of(new Told("misuse_stack"));
        }

        if (hostile.Changes.SelectMany(change => Defects(change, hostile.TakesAnyKey)).ToHashSet() is { Count: > 0 } defects)
        {
            return new(defects);
        }

        var alone = BytesAlone(hostile.Changes);
        if (alone > hostile.MaxEnvBytes)
        {
            return Expectation.Of(Told.TooLarge(alone, hostile.MaxEnvBytes), (alone, 0));
        }

        // The keys that are deleted, as an object with empty values, may take as much as a set, and never less than the default.
        var deleted = hostile.Changes.Where(static change => string.IsNullOrEmpty(change.Value));
        var deletedBytes = BytesAlone(deleted.Select(static change => (change.Key, (string?)"-"))) - deleted.Count();
        var mostDeleted = Math.Max(hostile.MaxEnvBytes, 65_536);
        if (deletedBytes > mostDeleted)
        {
            return Expectation.Of(Told.TooLarge(deletedBytes, mostDeleted), (deletedBytes, 0));
        }

        if ((key is string text && !CanStore(text)) || (owner is string name && !CanStore(name)))
        {
            return Expectation.Of(Told.NotFound);
        }

        if (Misfits(hostile).ToHashSet() is { Count: > 0 } misfits)
        {
            return new(misfits);
        }

        if (!key.Equals(hostile.Stack.RowKey) || (owner is not null && !owner.Equals(hostile.Stack.RowOwner)))
        {
            return Expectation.Of(Told.NotFound);
        }

        if (hostile.Status is { } status && hostile.DeletingStatuses.Contains(status, StringComparer.Ordinal))
        {
            return Expectation.Of(Told.Deleting(status));
        }

        if (hostile.AtVersion is { } asked && asked != (hostile.Version ?? 0))
        {
            return Expectation.Of(Told.AtAnotherVersion(asked, hostile.Version ?? 0));
        }

        return (hostile.Document ?? JsonObject.Empty) is JsonObject stored
            ? Merge(stored, hostile)
            : Expectation.Of(new Told("stored_env_invalid"));
    }

    /// <summary>What the set would be after the changes, whatever the cap.</summary>
    public static JsonObject After(JsonObject stored, IEnumerable<(string Key, string? Value)> changes)
    {
        var byKey = stored.ByKey();
        foreach (var (key, value) in changes)
        {
            if (string.IsNullOrEmpty(value))
            {
                byKey.Remove(key);
            }
            else
            {
                byKey[key] = new JsonString(value);
            }
        }

        return JsonObject.Of(byKey);
    }

    /// <summary>The size of what is set, by itself.</summary>
    public static int BytesAlone(IEnumerable<(string Key, string? Value)> changes) => After(JsonObject.Empty, changes).CompactBytes;

    /// <summary>Whether PostgreSQL's text types can hold it.</summary>
    public static bool CanStore(string text)
    {
        try
        {
            return Strict.GetByteCount(text) >= 0 && !text.Contains('\0', StringComparison.Ordinal);
        }
        catch (EncoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>The default grammar of keys.</summary>
    public static bool MatchesGrammar(string key) =>
        key.Length > 0
            && key[0] is (>= 'A' and <= 'Z') or '_'
            && key.All(static unit => unit is (>= 'A' and <= 'Z') or (>= '0' and <= '9') or '_');

    private static Expectation Merge(JsonObject stored, HostileCase hostile)
    {
        var before = stored.ByKey();
        var after = After(stored, hostile.Changes);
        var env = after.Members.ToDictionary(
            static member => member.Key.Value, static member => member.Value is JsonString text ? text.Value : member.Value.Printed,
            StringComparer.Ordinal);
        var keysSet = hostile.Changes.Count(static change => !string.IsNullOrEmpty(change.Value));
        if (string.Equals(stored.Compact, after.Compact, StringComparison.Ordinal))
        {
            return Expectation.Of(Told.Merged(
                changed: false, keysSet, keysDeleted: 0, env.Count, env, ([], [], []), hostile.KeepsVersion ? hostile.Version ?? 0 : null));
        }

        var (bytesBefore, bytesAfter) = (stored.CompactBytes, after.CompactBytes);
        if (bytesAfter > hostile.MaxEnvBytes && bytesAfter >= bytesBefore)
        {
            return Expectation.Of(Told.TooLarge(bytesAfter, hostile.MaxEnvBytes), (bytesAfter, bytesBefore));
        }

        var deleted = Names(change => string.IsNullOrEmpty(change.Value) && before.ContainsKey(change.Key));
        var added = Names(change => !string.IsNullOrEmpty(change.Value) && !before.ContainsKey(change.Key));
        var updated = Names(change => !string.IsNullOrEmpty(change.Value) && before.TryGetValue(change.Key, out var old)
            && (old is not JsonString text || !string.Equals(text.Value, change.Value, StringComparison.Ordinal)));
        var told = Told.Merged(
            changed: true, keysSet, deleted.Length, env.Count, env, (added, updated, deleted),
            hostile.KeepsVersion ? (hostile.Version ?? 0) + 1 : null);
        return Expectation.Of(told, (bytesAfter, bytesBefore)) with { Stored = after };

        string[] Names(Func<(string Key, string? Value), bool> match) =>
            [.. hostile.Changes.Where(match).Select(static change => change.Key).Order(StringComparer.Ordinal)];
    }

    private static IEnumerable<Told> Defects((string Key, string? Value) change, bool takesAnyKey)
    {
        if (!CanStore(change.Key) || !(takesAnyKey || MatchesGrammar(change.Key)))
        {
            yield return Told.InvalidKey(Shown(change.Key));
        }

        if (change.Value is { } value && !CanStore(value))
        {
            yield return Told.InvalidValue(Shown(change.Key), value.Contains('\0', StringComparison.Ordinal) ? Told.Nul : Told.Surrogate);
        }
    }

    // What the table's own columns make of the merge: the statement is refused before it looks at any row.
    private static IEnumerable<Told> Misfits(HostileCase hostile)
    {
        if (hostile.Fault is { } fault && (!fault.NeedsOwner || hostile.Stack.Owner is not null))
        {
            yield return fault.Told;
        }

        if (TypeOf(hostile.Stack.Key) != hostile.Stack.KeyType
            || (hostile.Stack.Owner is { } owner && TypeOf(owner) != hostile.Stack.OwnerType))
        {
            yield return Told.StoreError("42883");
        }
    }

    private static ColumnType TypeOf(object value) => value switch
    {
        Guid => ColumnType.uuid,
        long => ColumnType.bigint,
        _ => ColumnType.text,
    };

    private static string Shown(string key)
    {
        var shown = string.Concat(key.Take(LongestShownKey).Select(static unit =>
            unit is >= ' ' and <= '~' and not '"' and not '\\'
                ? unit.ToString()
                : string.Create(CultureInfo.InvariantCulture, $"\\u{(int)unit:X4}")));
        return key.Length > LongestShownKey ? shown + "..." : shown;
    }
}
