namespace StackEnv.Merge.Protocol;

/// <summary>Quotes texts of the options, so that any text works and none can be read as SQL. What a caller hands in is always a parameter.</summary>
/// <remarks><see href="https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-STRINGS">The manual: string constants</see>.</remarks>
internal static class SqlLiteral
{
    // A backslash means the same under every setting of standard_conforming_strings only in an escape string.
    public static string Quote(string text)
    {
        var quoted = text.Replace("'", "''", StringComparison.Ordinal);
        return quoted.Contains('\\', StringComparison.Ordinal) ? $"E'{quoted.Replace("\\", "\\\\", StringComparison.Ordinal)}'" : $"'{quoted}'";
    }
}
