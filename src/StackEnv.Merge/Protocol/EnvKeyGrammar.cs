using System.Buffers;

namespace StackEnv.Merge.Protocol;

/// <summary>The keys that every shell accepts as a variable's name, in upper case: <c>[A-Z_][A-Z0-9_]*</c>.</summary>
internal static class EnvKeyGrammar
{
    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    public static bool Matches(string key) =>
        key.Length > 0 && !char.IsAsciiDigit(key[0]) && !key.AsSpan().ContainsAnyExcept(Allowed);
}
