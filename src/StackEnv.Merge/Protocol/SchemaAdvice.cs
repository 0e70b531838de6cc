using System.Text;
using Npgsql;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>What to do where the table is not as the options say.</summary>
internal static class SchemaAdvice
{
    private const string Options = nameof(StackEnvMergeOptions);

    /// <summary>Advice about the statement's own text; <see langword="null"/> if the error is about anything else.</summary>
    public static string? For(
        PostgresException refused, NpgsqlBatchCommand statement, bool lockedReadCompleted, StackRef stack, TargetTable table)
    {
        if (!Provenance.IsAboutText(refused))
        {
            return null;
        }

        var columns = Columns(stack, table);
        var culprit = TextAt(refused.Position, statement);
        switch (refused.SqlState)
        {
            // It is quoted as it is, so a dot in it does not divide it.
            case PostgresErrorCodes.UndefinedTable when table.Unquoted is { Schema: null, Table: var name } &&
                name.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot:
                return $"There is a dot in {Options}.{nameof(StackEnvMergeOptions.Table)}: put the schema into " +
                    $"{Options}.{nameof(StackEnvMergeOptions.Schema)}. For example Schema = {Printable.Quote(name[..dot])}, " +
                    $"Table = {Printable.Quote(name[(dot + 1)..])}.";

            case PostgresErrorCodes.UndefinedTable:
                var definitions = string.Join(", ", columns.Select(static column => column.Definition));
                return $"Set {Options}.{nameof(StackEnvMergeOptions.Schema)} and .{nameof(StackEnvMergeOptions.Table)} to the table of " +
                    $"your stacks, or create it: CREATE TABLE {table.Name} ({definitions});";

            case PostgresErrorCodes.UndefinedColumn:
                foreach (var column in columns)
                {
                    if (culprit.StartsWith(column.QuotedName, StringComparison.Ordinal))
                    {
                        return $"Set {Options}.{column.Option} to the right column of {table.Name}, or add it: " +
                            $"ALTER TABLE {table.Name} ADD COLUMN {column.Definition};";
                    }
                }

                return null;

            case PostgresErrorCodes.UndefinedFunction when !lockedReadCompleted:
                return $"The type of {table.Key} or of the owner column {table.Owner} does not fit this StackRef: " +
                    "make it from a Guid for uuid, a string for text, a long for bigint.";

            // Of a table that was altered after the check.
            case PostgresErrorCodes.UndefinedFunction or PostgresErrorCodes.DatatypeMismatch:
                return $"{table.EnvVars} must be of type jsonb: " +
                    $"ALTER TABLE {table.Name} ALTER COLUMN {table.EnvVars} TYPE jsonb USING {table.EnvVars}::jsonb;";

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
            Rune.DecodeFromUtf16(text, out _, out var length);
            text = text[length..];
        }

        return text;
    }

    private static List<Column> Columns(StackRef stack, TargetTable table)
    {
        List<Column> columns =
        [
            new(nameof(StackEnvMergeOptions.KeyColumn), table.Key, $"{TypeOf(stack.Key)} PRIMARY KEY"),
            new(nameof(StackEnvMergeOptions.StatusColumn), table.Status, "text NOT NULL DEFAULT 'building'"),
            new(nameof(StackEnvMergeOptions.EnvVarsColumn), table.EnvVars, "jsonb NOT NULL DEFAULT '{}'"),
        ];
        if (stack.Owner is { } owner)
        {
            columns.Add(new(nameof(StackEnvMergeOptions.OwnerColumn), table.Owner, TypeOf(owner)));
        }

        if (table.UpdatedAt is { } updatedAt)
        {
            columns.Add(new(nameof(StackEnvMergeOptions.UpdatedAtColumn), updatedAt, "timestamptz NOT NULL DEFAULT now()"));
        }

        if (table.Version is { } version)
        {
            columns.Add(new(nameof(StackEnvMergeOptions.VersionColumn), version, "bigint NOT NULL DEFAULT 0"));
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
