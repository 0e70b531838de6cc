using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <param name="Members">As they were written: a key may come more than once.</param>
internal sealed record JsonObject(IReadOnlyList<(JsonString Key, Json Value)> Members) : Json
{
    public static JsonObject Empty { get; } = new([]);

    public static JsonObject Of(IEnumerable<KeyValuePair<string, Json>> members) =>
        new([.. members.Select(static member => (new JsonString(member.Key), member.Value))]);

    /// <summary>What each key holds: of equal keys the last one counts.</summary>
    public Dictionary<string, Json> ByKey()
    {
        var byKey = new Dictionary<string, Json>(StringComparer.Ordinal);
        foreach (var (key, value) in Members)
        {
            byKey[key.Value] = value;
        }

        return byKey;
    }

    public override void WriteInput(StringBuilder text)
    {
        text.Append("{ ");
        for (var at = 0; at < Members.Count; at++)
        {
            text.Append(at == 0 ? "" : "\r\n,");
            Members[at].Key.WriteInput(text);
            text.Append("  :");
            Members[at].Value.WriteInput(text);
        }

        text.Append('}');
    }

    public override void Write(StringBuilder text, string colon, string comma)
    {
        var members = ByKey()
            .Select(static member => (Utf8: Encoding.UTF8.GetBytes(member.Key), member.Key, member.Value))
            .OrderBy(static member => member.Utf8.Length)
            .ThenBy(static member => member.Utf8, Comparer<byte[]>.Create(static (one, other) => one.AsSpan().SequenceCompareTo(other)));
        var separator = "";
        text.Append('{');
        foreach (var (_, key, value) in members)
        {
            text.Append(separator);
            new JsonString(key).Write(text, colon, comma);
            value.Write(text.Append(colon), colon, comma);
            separator = comma;
        }

        text.Append('}');
    }
}
