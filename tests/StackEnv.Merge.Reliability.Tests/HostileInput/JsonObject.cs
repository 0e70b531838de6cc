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

    public override string Written =>
        $"{{ {string.Join("\r\n,", Members.Select(static member => $"{member.Key.Written}  :{member.Value.Written}"))}}}";

    public override string Print(string colon, string comma)
    {
        var members = ByKey()
            .Select(static member => (Utf8: Encoding.UTF8.GetBytes(member.Key), member.Key, member.Value))
            .OrderBy(static member => member.Utf8.Length)
            .ThenBy(static member => member.Utf8, Comparer<byte[]>.Create(static (one, other) => one.AsSpan().SequenceCompareTo(other)))
            .Select(member => $"{new JsonString(member.Key).Print(colon, comma)}{colon}{member.Value.Print(colon, comma)}");
        return $"{{{string.Join(comma, members)}}}";
    }
}
