using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>
/// A JSON value twice over: as somebody wrote it, and as <c>jsonb</c> prints it by
/// <see href="https://www.postgresql.org/docs/current/datatype-json.html">the manual</see> (last of equal keys wins, shorter keys first,
/// numbers as numeric prints them, only what must be escaped is).
/// </summary>
internal abstract record Json
{
    /// <summary>As it was written, by someone with a taste for escapes, white space and repeated keys.</summary>
    public string Written => Build(WriteInput);

    /// <summary>As PostgreSQL prints it.</summary>
    public string Printed => Build(text => Write(text, ": ", ", "));

    /// <summary>Without any space.</summary>
    public string Compact => Build(text => Write(text, ":", ","));

    /// <summary>The bytes of the compact form in UTF-8: the size that a cap is about.</summary>
    public int CompactBytes => Encoding.UTF8.GetByteCount(Compact);

    public abstract void WriteInput(StringBuilder text);

    public abstract void Write(StringBuilder text, string colon, string comma);

    private static string Build(Action<StringBuilder> write)
    {
        var text = new StringBuilder();
        write(text);
        return text.ToString();
    }
}
