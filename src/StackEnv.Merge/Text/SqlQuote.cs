namespace StackEnv.Merge.Text;

/// <summary>Quotes names and texts of the options, so that any of them works and none can be read as SQL.</summary>
/// <remarks>
/// Like PostgreSQL's own <c>quote_ident</c> and <c>quote_literal</c>. What a caller passes in is always a parameter.
/// See <see href="https://www.postgresql.org/docs/current/sql-syntax-lexical.html">the manual: lexical structure</see>.
/// </remarks>
internal static class SqlQuote
{
    public static string Identifier(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    // A backslash means the same under every setting of standard_conforming_strings only in an escape string.
    public static string Literal(string text)
    {
        var quoted = text.Replace("'", "''", StringComparison.Ordinal);
        return quoted.Contains('\\', StringComparison.Ordinal)
            ? $"E'{quoted.Replace("\\", "\\\\", StringComparison.Ordinal)}'"
            : $"'{quoted}'";
    }
}
