namespace StackEnv.Merge.Protocol;

/// <summary>Quotes names, so that any name works and none can be read as SQL.</summary>
/// <remarks><see href="https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS">The manual: identifiers</see>.</remarks>
internal static class SqlIdentifier
{
    public static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    public static string Table(StackEnvMergeOptions options) =>
        options.Schema is null ? Quote(options.Table) : $"{Quote(options.Schema)}.{Quote(options.Table)}";
}
