using System.Globalization;
using System.Text;

namespace StackEnv.Merge.Text;

/// <summary>Text that came from outside, made fit for one line of a message or a log.</summary>
internal static class Printable
{
    private const int MaxCharacters = 64;

    public static string Quote(string text) => $"\"{Escape(text)}\"";

    public static string Escape(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var escaped = new StringBuilder();
        foreach (var character in text.AsSpan(0, Math.Min(text.Length, MaxCharacters)))
        {
            _ = char.IsBetween(character, ' ', '~') && character is not ('"' or '\\')
                ? escaped.Append(character)
                : escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:X4}");
        }

        return text.Length > MaxCharacters ? escaped.Append("...").ToString() : escaped.ToString();
    }
}
