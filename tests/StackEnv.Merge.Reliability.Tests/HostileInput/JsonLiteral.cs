using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <param name="Name">true, false or null.</param>
internal sealed record JsonLiteral(string Name) : Json
{
    public override void WriteInput(StringBuilder text) => text.Append(Name);

    public override void Write(StringBuilder text, string colon, string comma) => text.Append(Name);
}
