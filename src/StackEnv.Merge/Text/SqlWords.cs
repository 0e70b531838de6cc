namespace StackEnv.Merge.Text;

/// <summary>Reads as much of a statement's text as shows what kind of statement it is.</summary>
internal static class SqlWords
{
    /// <summary>Takes the next word of a statement, after white space, comments and empty statements.</summary>
    /// <remarks>
    /// <see href="https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-COMMENTS">The manual: comments</see>; they
    /// nest.
    /// </remarks>
    public static string Next(ref ReadOnlySpan<char> sql)
    {
        while (true)
        {
            sql = sql.TrimStart(" \t\r\n\f\v;");
            if (sql.StartsWith("--", StringComparison.Ordinal))
            {
                var end = sql.IndexOfAny('\r', '\n');
                sql = end < 0 ? [] : sql[end..];
            }
            else if (sql.StartsWith("/*", StringComparison.Ordinal))
            {
                sql = AfterComment(sql);
            }
            else
            {
                break;
            }
        }

        var length = 0;
        while (length < sql.Length && char.IsAsciiLetter(sql[length]))
        {
            length++;
        }

        var word = sql[..length].ToString().ToUpperInvariant();
        sql = sql[length..];
        return word;
    }

    private static ReadOnlySpan<char> AfterComment(ReadOnlySpan<char> sql)
    {
        var depth = 0;
        for (var at = 0; at + 1 < sql.Length; at++)
        {
            switch (sql.Slice(at, 2))
            {
                case "/*":
                    depth++;
                    at++;
                    break;
                case "*/" when --depth == 0:
                    return sql[(at + 2)..];
                case "*/":
                    at++;
                    break;
            }
        }

        return [];
    }
}
