using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

internal sealed record JsonArray(IReadOnlyList<Json> Items) : Json
{
    public override void WriteInput(StringBuilder text)
    {
        text.Append("[\n");
        for (var at = 0; at < Items.Count; at++)
        {
            text.Append(at == 0 ? "" : " ,\t");
            Items[at].WriteInput(text);
        }

        text.Append(" ]");
    }

    public override void Write(StringBuilder text, string colon, string comma)
    {
        text.Append('[');
        for (var at = 0; at < Items.Count; at++)
        {
            text.Append(at == 0 ? "" : comma);
            Items[at].Write(text, colon, comma);
        }

        text.Append(']');
    }
}
