using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Text as an attacker, a legacy system or a broken client sends it.</summary>
internal static class HostileText
{
    /// <summary>What every secret contains, and nothing else does.</summary>
    public const string Marker = "pL4nt3d";

    private static readonly Gen<string> Plain = Gen.OneOf("a", "B", "7", "_", " ", "-", "=", "/", "ab cd");

    private static readonly Gen<string> Escaped =
        Gen.OneOf("\"", "\\", "\b", "\f", "\n", "\r", "\t", "\u007f", "\u0085", "\u00a0", "\u2028", "\u2029", "<", "&", "'", "+");

    private static readonly Gen<string> Unicode =
        Gen.OneOf(
            "é", "e\u0301", "漢", "🚀", "👩‍👩‍👧", "\u202e", "\u200b", "\ufeff", "\ufffd", "\ufffe", "\uffff", "\U0001fffe", "\U0010ffff",
            "ß",
            "İ", "ﬀ");

    private static readonly Gen<string> AnyScalar = Gen.OneOf(
        Gen.Char['\u0001', '\u001f'].Select(char.ToString),
        Gen.Char['\u0001', '\ud7ff'].Select(char.ToString),
        Gen.Char['\ue000', '\uffff'].Select(char.ToString),
        Gen.Int[0x10000, 0x10ffff].Select(char.ConvertFromUtf32));

    private static readonly Gen<string> LookAlike = Gen.OneOf(
        """{"A": "1"}""", "\": \"", ", ", ": ", "{}", "[]", "null", "\\u0000", "\\ud83d", "\\\"", "\\\\", "\\", "'); DROP TABLE stacks; --",
        "' OR 1=1 --", "$1", "$$", "E'\\''",
        """("(?:[^"\\]|\\.)*")|\s""", "\\1", "\\s+", "%s {0} ${HOME}", "-- ", "/*", "\"; COMMIT; --");

    /// <summary>One small part of a text that PostgreSQL can store.</summary>
    private static readonly Gen<string> Piece = Gen.Frequency((5, Plain), (3, Escaped), (2, Unicode), (2, AnyScalar), (2, LookAlike));

    /// <summary>Any text that PostgreSQL can store, the empty one too; now and then a long one.</summary>
    public static readonly Gen<string> Storable = Gen.Frequency(
        (40, Piece.Array[0, 8].Select(string.Concat)),
        (2, Gen.Select(Piece, Gen.Int[1, 400]).Select(static (piece, times) => string.Concat(Enumerable.Repeat(piece, times)))));

    public static readonly Gen<string> NotEmpty = Storable.Select(static text => text.Length == 0 ? "x" : text);

    /// <summary>Text that PostgreSQL cannot store: with a NUL, or with half of a surrogate pair.</summary>
    public static readonly Gen<string> Unstorable =
        Gen.Select(Storable, Gen.OneOf("\0", "\ud83d", "\ude80", "\ude80\ud83d", "\ud83d\0", "\ud83d\ud83d\ude80"), Storable)
            .Select(static (before, culprit, after) => before + culprit + after);

    /// <summary>Any sequence of UTF-16 code units.</summary>
    public static readonly Gen<string> AnyUtf16 = Gen.Char['\0', '\uffff'].Array[0, 12].Select(static units => new string(units));

    /// <summary>A value that is a secret. Only the shortest of them have no room for the marker.</summary>
    public static readonly Gen<string> Secret = Gen.Frequency(
        (9, Gen.Select(Storable, Storable).Select(static (before, after) => before + Marker + after)),
        (1, Piece));

    /// <summary>A value that must be refused, secret or not.</summary>
    public static readonly Gen<string> UnstorableSecret = Unstorable.Select(static text => Marker + text);

    /// <summary>A key by the default grammar, from so few that changes often meet a stored one.</summary>
    public static readonly Gen<string> GrammarKey = Gen.Frequency(
        (20, Gen.OneOf("A", "B", "C", "_", "LONG_KEY_1", "Z9")),
        (4, Gen.String["ABCXYZ_019"].Select(static text => "K" + text)),
        (1, Gen.Int[1, 70_000].Select(static length => new string('K', length))));

    /// <summary>A key that one character, or one look at the wrong alphabet, keeps out of the grammar.</summary>
    public static readonly Gen<string> NearlyValidKey =
        Gen.OneOf(
            "", "a", "Aa", "1A", "A-B", "A B", " A", "A ", "A\n", "A\0", "A.B", "É", "Α", "Ａ", "A\u0660", "A\u0301", "A=", "A\ud83d",
            "\ude80A", "A\u007f", "A\u200b", "$A", "A\"", "A\\");

    /// <summary>The text in one printable line.</summary>
    public static string Show(string? text) => text switch
    {
        null => "null",
        { Length: > 300 } => $"{Show(text[..300])}… ({text.Length} characters)",
        _ => $"\"{string.Concat(text.Select(Show))}\"",
    };

    private static string Show(char unit) => unit is >= ' ' and <= '~' and not '\\' and not '"' ? $"{unit}" : $"\\u{(int)unit:x4}";
}
