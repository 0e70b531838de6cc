using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>
/// Rows and references to them: mostly the row itself, sometimes its near namesake, another owner's or one of another type.
/// </summary>
internal static class HostileStacks
{
    private static readonly Gen<object> AnyText = Gen.Frequency(
        (4, HostileText.Storable), (2, HostileText.Unstorable), (1, HostileText.AnyUtf16))
        .Select(static text => (object)text);

    public static readonly Gen<StackChoice> Choice = Gen.SelectMany(
        Gen.Enum<ColumnType>(),
        Gen.Enum<ColumnType>(),
        static (keyType, ownerType) => Gen.SelectMany(
            Stored(keyType),
            Stored(ownerType),
            Gen.Frequency((9, true), (1, false)),
            (key, owner, hasOwner) => Gen.Select(
                Gen.Frequency((24, Gen.Const(key)), (1, Other(key)), (1, OfAnyType())),
                Gen.Frequency<object?>(
                    (12, Gen.Const((object?)null)), (10, Gen.Const((object?)owner)), (1, Other(owner)), (1, OfAnyType())),
                (askedKey, askedOwner) => new StackChoice(keyType, ownerType, key, hasOwner ? owner : null, askedKey, askedOwner))));

    private static Gen<object> Stored(ColumnType type) => type switch
    {
        ColumnType.uuid => Gen.Guid.Select(static uuid => (object)uuid),
        ColumnType.bigint => Gen.Long.Select(static number => (object)number),
        _ => HostileText.Storable.Select(static text => (object)text),
    };

    private static Gen<object> Other(object value) => value switch
    {
        Guid => Stored(ColumnType.uuid),
        long number => Gen.Const<object>(unchecked(number + 1)),
        string text =>
            Gen.OneOf(
                Gen.OneOf<object>(
                    text + " ", text + "\u0301", text + "\0", "\u0001" + text, text.ToUpperInvariant(), $"{text}' OR 1=1 --", "%"),
                AnyText),
        _ => throw new ArgumentOutOfRangeException(nameof(value)),
    };

    private static Gen<object> OfAnyType() => Gen.OneOf(Stored(ColumnType.uuid), Stored(ColumnType.bigint), AnyText);
}
