namespace StackEnv.Merge.Text;

/// <summary>Reads as much of a statement's text as shows what kind of statement it is.</summary>
internal static class SqlWords
{
    /// <summary>The first word, after white space, comments and empty statements.</summary>
    /// <remarks><see href="https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-COMMENTS">The manual: comments</see>; they nest.</remarks>
    public static ReadOnlySpan<char> First(ReadOnlySpan<char> sql)
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

        return sql[..length];
    }

    private static ReadOnlySpan<char> AfterComment(ReadOnlySpan<char> sql)
    {
        var depth = 0;
        for (var at = 0; at + 1 < sql.Length; at++)
        {
            var two = sql.Slice(at, 2);
            if (two is "/*")
            {
                depth++;
                at++;
            }
            else if (two is "*/")
            {
                depth--;
                at++;
                if (depth == 0)
                {
                    return sql[(at + 1)..];
                }
            }
        }

        return [];
    }
}
