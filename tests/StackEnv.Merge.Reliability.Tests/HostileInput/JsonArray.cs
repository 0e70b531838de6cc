namespace StackEnv.Merge.Reliability.Tests.HostileInput;

internal sealed record JsonArray(IReadOnlyList<Json> Items) : Json
{
    public override string Written => $"[\n{string.Join(" ,\t", Items.Select(static item => item.Written))} ]";

    public override string Print(string colon, string comma) => $"[{string.Join(comma, Items.Select(item => item.Print(colon, comma)))}]";
}
