using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What to do where the table is not as the options say.</summary>
internal static class SchemaAdvice
{
    public static string? For(PostgresException refused, NpgsqlBatchCommand statement, MergeTransaction transaction, StackRef stack, StackEnvMergeOptions options)
    {
        var table = SqlIdentifier.Table(options);
        var columns = Columns(stack, options);
        switch (refused.SqlState)
        {
            case PostgresErrorCodes.UndefinedTable:
                return $"Set {nameof(StackEnvMergeOptions)}.{nameof(options.Schema)} and .{nameof(options.Table)} to the table of your stacks, or create it: " +
                    $"CREATE TABLE {table} ({string.Join(", ", columns.Select(static column => column.Definition))});";

            case PostgresErrorCodes.UndefinedColumn when refused.Position > 0 && refused.Position <= statement.CommandText.Length:
                // PostgreSQL says where in our own text the name stands that it does not know.
                var unknown = statement.CommandText.AsSpan(refused.Position - 1);
                foreach (var column in columns)
                {
                    if (unknown.StartsWith(column.QuotedName, StringComparison.Ordinal))
                    {
                        return $"Set {nameof(StackEnvMergeOptions)}.{column.Option} to the right column of {table}, or add it: ALTER TABLE {table} ADD COLUMN {column.Definition};";
                    }
                }

                return null;

            case PostgresErrorCodes.UndefinedFunction when !transaction.LockedReadCompleted:
                return $"The type of {SqlIdentifier.Quote(options.KeyColumn)} or of the owner column {SqlIdentifier.Quote(options.OwnerColumn)} does not fit this StackRef: " +
                    "make it from a Guid for uuid, a string for text, a long for bigint.";

            case PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.DatatypeMismatch:
                var env = SqlIdentifier.Quote(options.EnvVarsColumn);
                return $"{env} must be of type jsonb: ALTER TABLE {table} ALTER COLUMN {env} TYPE jsonb USING {env}::jsonb;";

            default:
                return null;
        }
    }

    private static List<Column> Columns(StackRef stack, StackEnvMergeOptions options)
    {
        List<Column> columns =
        [
            new(nameof(options.KeyColumn), SqlIdentifier.Quote(options.KeyColumn), $"{TypeOf(stack.Key)} PRIMARY KEY"),
            new(nameof(options.StatusColumn), SqlIdentifier.Quote(options.StatusColumn), "text NOT NULL DEFAULT 'building'"),
            new(nameof(options.EnvVarsColumn), SqlIdentifier.Quote(options.EnvVarsColumn), "jsonb NOT NULL DEFAULT '{}'"),
        ];
        if (stack.Owner is { } owner)
        {
            columns.Add(new(nameof(options.OwnerColumn), SqlIdentifier.Quote(options.OwnerColumn), TypeOf(owner)));
        }

        if (options.UpdatedAtColumn is { } updatedAt)
        {
            columns.Add(new(nameof(options.UpdatedAtColumn), SqlIdentifier.Quote(updatedAt), "timestamptz NOT NULL DEFAULT now()"));
        }

        return columns;
    }

    private static string TypeOf(object value) => value switch
    {
        Guid => "uuid",
        long => "bigint",
        _ => "text",
    };

    private sealed record Column(string Option, string QuotedName, string TypeAndConstraints)
    {
        public string Definition => $"{QuotedName} {TypeAndConstraints}";
    }
}
