using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Documents that a row may hold, also if other software wrote them.</summary>
internal static class HostileDocuments
{
    private static readonly Gen<Json> Text = Gen.Select(HostileText.Secret, Gen.Frequency((7, false), (1, true)))
        .Select(static (value, escaped) => (Json)new JsonString(value, escaped));

    private static readonly Gen<string> Digits = Gen.String[Gen.Char["0123456789"], 1, 20];

    private static readonly Gen<Json> Number = Gen.Select(
        Gen.Bool,
        Gen.Frequency((1, Gen.Const("0")), (3, Gen.Select(Gen.Char["123456789"], Digits).Select(static (first, rest) => first + rest))),
        Gen.Frequency((2, Gen.Const("")), (2, Digits), (1, Gen.OneOf("0", "00", "50"))),
        Gen.Frequency(
            (12, Gen.Const(0)),
            (6, Gen.Int[-30, 30]),
            (4, Gen.OneOf(-400, -323, 308, 309, 400)),
            (1, Gen.OneOf(-16_000, 5_000, 70_000, 131_000))))
        .Select(static (negative, whole, fraction, exponent) => (Json)new JsonNumber(negative, whole, fraction, exponent));

    private static readonly Gen<Json> Literal = Gen.OneOf<Json>(new JsonLiteral("true"), new JsonLiteral("false"), new JsonLiteral("null"));

    private static readonly Gen<string> Key = Gen.Frequency(
        (6, HostileText.GrammarKey), (3, HostileText.Storable), (1, Gen.OneOf("", "a", "A ", "ключ", "1")));

    private static readonly Gen<Json> Scalar = Gen.Frequency((4, Text), (2, Number), (1, Literal));

    private static readonly Gen<Json> Deep = Gen.Select(Scalar, Gen.Int[50, 500]).Select(static (value, depth) =>
    {
        for (var level = 0; level < depth; level++)
        {
            value = level % 2 == 0 ? new JsonArray([value]) : new JsonObject([(new JsonString(" "), value)]);
        }

        return value;
    });

    private static readonly Gen<Json> AnyValue = Gen.Recursive<Json>(static (depth, inner) => depth >= 4
        ? Scalar
        : Gen.Frequency(
            (12, Scalar),
            (1, inner.Array[0, 4].Select(static items => (Json)new JsonArray(items))),
            (1, Members(inner, 4).Select(static members => (Json)new JsonObject(members)))));

    private static readonly Gen<Json> Value = Gen.Frequency((60, Text), (30, AnyValue), (1, Deep));

    /// <summary>What the column holds; <see langword="null"/> is SQL NULL.</summary>
    public static readonly Gen<Json?> Document = Gen.Frequency<Json?>(
        (24, Members(Value, 6).Select(static members => (Json?)new JsonObject(members))),
        (2, Gen.Select(Members(Value, 3), Gen.Int[100, 1_500]).Select(
            static (members, more) => (Json?)new JsonObject([.. members, .. Filler(more)]))),
        (1, Gen.Const(() => (Json?)JsonObject.Empty)),
        (1, Gen.Const(() => (Json?)null)),
        (1, Gen.OneOf(AnyValue, Scalar, Members(Value, 2).Select(static members => (Json)new JsonArray([new JsonObject(members)]))).Select(
            static value => (Json?)value)));

    private static Gen<(JsonString Key, Json Value)[]> Members(Gen<Json> value, int most) =>
        Gen.Select(Key, Gen.Frequency((7, false), (1, true)), value)
            .Select(static (key, escaped, value) => (new JsonString(key, escaped), value)).Array[0, most];

    private static IEnumerable<(JsonString Key, Json Value)> Filler(int count) =>
        Enumerable.Range(0, count).Select(
            static number =>
                (new JsonString($"FILLER_{number}"), (Json)new JsonString(
                    $"{HostileText.Marker} {number}, \"{new string('\\', number % 7)}\": é")));
}
