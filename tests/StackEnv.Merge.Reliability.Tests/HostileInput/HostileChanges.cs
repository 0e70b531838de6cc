using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Changes that a caller may ask for, many of them about what the document holds.</summary>
internal static class HostileChanges
{
    private static readonly Gen<string> StorableKey = Gen.Frequency(
        (3, HostileText.GrammarKey), (4, HostileText.Storable), (2, HostileText.NearlyValidKey.Where(MergeModel.CanStore)));

    private static readonly Gen<string> AnyKey = Gen.Frequency(
        (6, HostileText.GrammarKey), (3, HostileText.NearlyValidKey), (1, HostileText.Storable), (1, HostileText.Unstorable),
        (1, HostileText.AnyUtf16));

    private static readonly Gen<string?> NewValue = Gen.Frequency<string?>(
        (24, HostileText.Secret.Select(static value => (string?)value)),
        (3, Gen.Const("").Select(static value => (string?)value)),
        (4, Gen.Const((string?)null)),
        (1, Gen.Select(HostileText.Secret, Gen.Int[1_000, 70_000]).Select(
            static (value, length) => (string?)(value + new string('y', length)))));

    private static readonly Gen<string?> AnyValue = Gen.Frequency<string?>(
        (6, NewValue), (1, HostileText.UnstorableSecret.Select(static value => (string?)value)),
        (1, HostileText.AnyUtf16.Select(static value => (string?)(HostileText.Marker + value))));

    /// <summary>Changes of one document, and whether the host has to take any key for them.</summary>
    public static Gen<(bool TakesAnyKey, (string Key, string? Value)[] Changes)> Of(Json? document)
    {
        var stored = (document as JsonObject ?? JsonObject.Empty).ByKey();
        var storedKeys = stored.Keys.ToArray();
        var storedNames = storedKeys.Where(static key => MergeModel.MatchesGrammar(key)).ToArray();
        return Gen.Frequency(
            (12, Changes(OrOneOf(HostileText.GrammarKey, storedNames), NewValue, stored).Select(static changes => (false, changes))),
            (6, Changes(OrOneOf(StorableKey, storedKeys), NewValue, stored).Select(static changes => (true, changes))),
            (1, Changes(AnyKey, AnyValue, stored).Select(static changes => (false, changes))),
            (1, Changes(AnyKey, AnyValue, stored).Select(static changes => (true, changes))));
    }

    private static Gen<string> OrOneOf(Gen<string> keys, string[] stored) =>
        stored.Length == 0 ? keys : Gen.Frequency((1, keys), (1, Gen.OneOf(stored)));

    private static Gen<(string Key, string? Value)[]> Changes(Gen<string> keys, Gen<string?> values, Dictionary<string, Json> stored) =>
        Gen.SelectMany(
            keys,
            key => (stored.TryGetValue(key, out var value) ? Gen.Frequency((3, values), (2, About(value))) : values).Select(
                change => (key, change)))
            .Array[0, 5]
            .Select(static changes => changes.DistinctBy(static change => change.key).ToArray());

    // The stored value itself, or one that is hardly different: its text, a little shorter, a little longer, as long.
    private static Gen<string?> About(Json value)
    {
        var text = value is JsonString { Value: var held } ? held : value.Printed;
        return Gen.OneOf<string?>(
            text,
            text,
            text + "z",
            text.Length > 1 && !char.IsLowSurrogate(text[^1]) ? text[..^1] : text,
            text.Length > 0 && text[0] < '\ud800' ? $"~{text[1..]}" : text,
            null);
    }
}
