using Npgsql;
using NpgsqlTypes;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// The UPDATE that writes only if every guard holds. Its parameters: key, sets, size limit, then owner, deletes and version, if any.
/// </summary>
internal sealed class GuardedUpdateSql
{
    // When the UPDATE's turn comes, after the wait, and not now(), which is when the transaction began: in a queue for the row it would run
    // backwards. Unlike clock_timestamp() it is not VOLATILE, so a sharded database accepts it.
    // https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT
    private const string Clock = "statement_timestamp()";

    private readonly string _conservative;
    private readonly string _exact;
    private readonly bool _hasOwner;
    private readonly bool _hasDeletes;
    private readonly bool _hasVersion;
    private readonly int _maxEnvBytes;

    public GuardedUpdateSql(MergeSettings settings, bool hasOwner, bool hasDeletes, bool hasVersion)
    {
        _hasOwner = hasOwner;
        _hasDeletes = hasDeletes;
        _hasVersion = hasVersion;
        _maxEnvBytes = settings.MaxEnvBytes;

        var table = settings.Table;
        var env = table.EnvVars;
        var deletes = hasOwner ? "$5::text[]" : "$4::text[]";
        var isTheRow = RowSql.Condition(table, key: 1, hasOwner ? 4 : null);
        var isRefused = $"{table.Status}::text IN ({string.Join(", ", settings.DeletingStatuses.Select(SqlQuote.Literal))})";
        var touch = table.UpdatedAt is { } updatedAt ? $", {updatedAt} = {Clock}" : "";
        var returned = $"{env}::text";
        if (table.Version is { } column)
        {
            var version = RowSql.Version(column);
            touch += $", {column} = {version} + 1";
            returned += $", {version}";
            if (hasVersion)
            {
                isRefused += $" OR {version} <> ${4 + (hasOwner ? 1 : 0) + (hasDeletes ? 1 : 0)}";
            }
        }

        // The guards are one CASE, because for any other condition the planner first asks its statistics how many rows may pass, and
        // tries the operators on each of the hundred documents that ANALYZE keeps: that takes longer than all the rest of a merge.
        // https://www.postgresql.org/docs/current/row-estimation-examples.html
        //
        // Here $3 is the limit less the size of the sets, because a merged document is never larger than both together. None of the
        // operators raises, whatever the document is, and SQL NULL passes none of them.
        _conservative =
            $"""
            UPDATE {table.Name} SET {env} = {Merged(env)}{touch}
            WHERE {isTheRow}
              AND CASE WHEN {isRefused} THEN false
                ELSE {env} @> '{"{}"}' AND {IsChanged(env)} AND octet_length({env}::text) <= $3 END
            RETURNING {returned}
            """;

        // jsonb prints a space after ':' and ',', so its text is never shorter than the compact form: one cheap comparison often settles
        // the size. CASE also keeps the operators from documents on which they would raise.
        var stored = $"coalesce({env}, '{{}}')";
        _exact =
            $"""
            UPDATE {table.Name} SET {env} = {Merged(stored)}{touch}
            WHERE {isTheRow}
              AND CASE WHEN {isRefused} OR jsonb_typeof({stored}) <> 'object' THEN false
                ELSE {IsChanged(stored)}
                  AND (octet_length(({Merged(stored)})::text) <= $3
                    OR {CompactBytes(Merged(stored))} <= greatest($3, {CompactBytes(stored)} - 1)) END
            RETURNING {returned}
            """;

        string Merged(string document) => hasDeletes ? $"({document} || $2) - {deletes}" : $"{document} || $2";
        string IsChanged(string document) => hasDeletes ? $"(NOT {document} @> $2 OR {document} ?| {deletes})" : $"NOT {document} @> $2";
    }

    public NpgsqlBatchCommand Command(MergeRequest request, Guards guards)
    {
        var (text, sizeLimit) = guards == Guards.Conservative
            ? (_conservative, _maxEnvBytes - request.SetsBytes)
            : (_exact, _maxEnvBytes);
        var command = new NpgsqlBatchCommand(text)
        {
            Parameters =
            {
                RowSql.Parameter(request.Stack.Key),
                new NpgsqlParameter<byte[]> { TypedValue = request.SetsJson, NpgsqlDbType = NpgsqlDbType.Jsonb },
                new NpgsqlParameter<int> { TypedValue = sizeLimit, NpgsqlDbType = NpgsqlDbType.Integer },
            },
        };
        if (_hasOwner)
        {
            command.Parameters.Add(RowSql.Parameter(request.Stack.Owner!));
        }

        if (_hasDeletes)
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = request.DeletesArray, NpgsqlDbType = NpgsqlDbType.Unknown });
        }

        if (_hasVersion)
        {
            command.Parameters.Add(RowSql.Parameter(request.Stack.Version!));
        }

        return command;
    }

    // Drops the spaces that lie outside strings.
    private static string CompactBytes(string document) =>
        $"""octet_length(regexp_replace(({document})::text, E'("(?:[^"\\\\]|\\\\.)*")|\\s', E'\\1', 'g'))""";
}
