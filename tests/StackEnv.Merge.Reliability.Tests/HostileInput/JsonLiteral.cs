namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <param name="Name">true, false or null.</param>
internal sealed record JsonLiteral(string Name) : Json
{
    public override string Written => Name;

    public override string Print(string colon, string comma) => Name;
}
