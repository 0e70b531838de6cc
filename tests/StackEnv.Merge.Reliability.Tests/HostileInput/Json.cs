using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>
/// A JSON value in two forms: as a client wrote it, and as <c>jsonb</c> prints it by
/// <see href="https://www.postgresql.org/docs/current/datatype-json.html">the manual</see>: the last of equal keys wins, shorter keys come
/// first, numbers are as numeric prints them, and only what must be escaped is.
/// </summary>
internal abstract record Json
{
    /// <summary>As it was written, by a client that likes escapes, white space and repeated keys.</summary>
    public abstract string Written { get; }

    /// <summary>As PostgreSQL prints it.</summary>
    public string Printed => Print(": ", ", ");

    /// <summary>Without any space.</summary>
    public string Compact => Print(":", ",");

    /// <summary>The bytes of the compact form in UTF-8: the size that a cap is about.</summary>
    public int CompactBytes => Encoding.UTF8.GetByteCount(Compact);

    public abstract string Print(string colon, string comma);
}
