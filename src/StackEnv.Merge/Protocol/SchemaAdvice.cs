using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What to do where the table is not as the options say.</summary>
internal static class SchemaAdvice
{
    public static string? For(PostgresException refused, NpgsqlBatchCommand statement, MergeTransaction transaction, StackRef stack, StackEnvMergeOptions options)
    {
        var table = SqlIdentifier.Table(options);
        var columns = Columns(stack, options);
        var culprit = TextAt(refused.Position, statement);
        switch (refused.SqlState)
        {
            case PostgresErrorCodes.UndefinedTable:
                return $"Set {nameof(StackEnvMergeOptions)}.{nameof(options.Schema)} and .{nameof(options.Table)} to the table of your stacks, or create it: " +
                    $"CREATE TABLE {table} ({string.Join(", ", columns.Select(static column => column.Definition))});";

            case PostgresErrorCodes.UndefinedColumn:
                foreach (var column in columns)
                {
                    if (culprit.StartsWith(column.QuotedName, StringComparison.Ordinal))
                    {
                        return $"Set {nameof(StackEnvMergeOptions)}.{column.Option} to the right column of {table}, or add it: ALTER TABLE {table} ADD COLUMN {column.Definition};";
                    }
                }

                return null;

            case PostgresErrorCodes.UndefinedFunction when !transaction.LockedReadCompleted:
                return $"The type of {SqlIdentifier.Quote(options.KeyColumn)} or of the owner column {SqlIdentifier.Quote(options.OwnerColumn)} does not fit this StackRef: " +
                    "make it from a Guid for uuid, a string for text, a long for bigint.";

            case PostgresErrorCodes.DatatypeMismatch when options.UpdatedAtColumn is { } updatedAt && culprit.StartsWith(MergeStatements.Clock, StringComparison.Ordinal):
                return $"{SqlIdentifier.Quote(updatedAt)} must be of type timestamptz; or set {nameof(StackEnvMergeOptions)}.{nameof(options.UpdatedAtColumn)} to null.";

            case PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.DatatypeMismatch:
                var env = SqlIdentifier.Quote(options.EnvVarsColumn);
                return $"{env} must be of type jsonb: ALTER TABLE {table} ALTER COLUMN {env} TYPE jsonb USING {env}::jsonb;";

            default:
                return null;
        }
    }

    // PostgreSQL says where in our own text it found the error, counted in characters and not in UTF-16 code units.
    private static ReadOnlySpan<char> TextAt(int position, NpgsqlBatchCommand statement)
    {
        var text = statement.CommandText.AsSpan();
        for (; position > 1 && !text.IsEmpty; position--)
        {
            text = text[(char.IsHighSurrogate(text[0]) && text.Length > 1 ? 2 : 1)..];
        }

        return position > 0 ? text : default;
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
