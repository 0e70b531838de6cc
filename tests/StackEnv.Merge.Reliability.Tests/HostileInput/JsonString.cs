using System.Globalization;
using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <param name="Value">The text.</param>
/// <param name="EscapesAll">Whether every code unit was written as an escape.</param>
internal sealed record JsonString(string Value, bool EscapesAll = false) : Json
{
    public override string Written =>
        EscapesAll ? $"\"{string.Concat(Value.Select(static unit => $"\\u{(int)unit:X4}"))}\"" : Print("", "");

    public override string Print(string colon, string comma)
    {
        var text = new StringBuilder("\"", Value.Length + 2);
        foreach (var unit in Value)
        {
            _ = unit switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append(@"\\"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                < ' ' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}"),
                _ => text.Append(unit),
            };
        }

        return text.Append('"').ToString();
    }
}
