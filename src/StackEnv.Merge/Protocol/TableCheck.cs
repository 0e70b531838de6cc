using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>Looks at the table once, before the first transaction, and keeps what it found.</summary>
/// <remarks>
/// Only what is suitable is kept: a refusal is looked into again at the next merge, so that a table that was fixed needs no restart. Merges
/// that start at the same time each look for themselves.
/// </remarks>
internal sealed class TableCheck(MergeSettings settings)
{
    private volatile TableFacts? _facts;

    /// <exception cref="UnsuitableTableException">A merge into this stack is not safe.</exception>
    public async ValueTask<TableFacts> LookAsync(NpgsqlConnection connection, StackRef stack, CancellationToken cancellationToken)
    {
        CheckEncoding(connection, stack);
        var facts = _facts ?? await ReadAsync(connection, stack, cancellationToken).ConfigureAwait(false);
        if (facts.IsJudged && !facts.ProvesOneRow(stack))
        {
            throw Unsuitable(stack, NotUnique(facts, stack));
        }

        return facts;
    }

    /// <summary>The table is not as it was: the next merge looks again.</summary>
    public void Forget() => _facts = null;

    /// <summary>The UPDATE had to wait for the row although it was locked: from now on the locked read takes the stronger lock.</summary>
    public void LockStrongly() => _facts = _facts is { } facts ? facts with { NeedsStrongLock = true } : null;

    // The server reports this setting of each session whenever it changes.
    // https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC
    private static void CheckEncoding(NpgsqlConnection connection, StackRef stack)
    {
        if (connection.PostgresParameters.TryGetValue("client_encoding", out var encoding))
        {
            CheckEncoding(encoding, stack);
        }
    }

    private static void CheckEncoding(string encoding, StackRef stack)
    {
        if (!string.Equals(encoding, "UTF8", StringComparison.OrdinalIgnoreCase))
        {
            throw Unsuitable(
                stack,
                $"The client encoding of the session is {encoding}, and a merge needs UTF8, or it would change values. Remove Client Encoding " +
                "from the connection string, PGCLIENTENCODING from the environment, and SET client_encoding from the data source's initializer.");
        }
    }

    private static UnsuitableTableException Unsuitable(StackRef stack, string problem) => new(stack, problem);

    private async Task<TableFacts> ReadAsync(NpgsqlConnection connection, StackRef stack, CancellationToken cancellationToken)
    {
        try
        {
            var command = TableCatalogSql.Command(connection, settings.Table, settings.Limits.Batch);
            await using (command.ConfigureAwait(false))
            {
                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    // No table: the merge's own statement says it best.
                    if (!await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    {
                        return TableFacts.Unknown;
                    }

                    CheckEncoding(reader.GetString(9), stack);
                    var facts = ReadFacts(reader);
                    do
                    {
                        CheckColumn(reader, stack);
                    }
                    while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false));

                    return _facts = facts;
                }
            }
        }

        // The catalogs are closed to this role, or are not PostgreSQL's: nothing can be judged, and nothing is refused.
        catch (PostgresException refused) when (refused.SqlState[..2] is "42" or "0A" or "XX" && Provenance.IsServers(refused))
        {
            return _facts = TableFacts.Unknown;
        }
    }

    private static TableFacts ReadFacts(NpgsqlDataReader row)
    {
        var hasParts = row.GetBoolean(1);
        var (ofKey, ofBoth) = (row.GetBoolean(6), row.GetBoolean(7));

        // A unique index of a partitioned table holds in all its partitions, but not every partitioned table can have one on its key. That
        // of a table with heirs does not hold in them.
        var isJudged = row.GetString(0) switch
        {
            "r" => !hasParts,
            "p" => ofKey || ofBoth,
            _ => false,
        };
        return new(isJudged, isJudged && ofKey, isJudged && ofBoth, NeedsStrongLock: row.GetBoolean(8), SuppressesWarnings: row.GetBoolean(10));
    }

    private void CheckColumn(NpgsqlDataReader row, StackRef stack)
    {
        var table = settings.Table;
        var (role, declared, isGenerated, isFit) = (row.GetString(2), row.GetString(3), row.GetBoolean(4), row.GetBoolean(5));
        var (option, column, type, why) = role switch
        {
            "key" => (nameof(StackEnvMergeOptions.KeyColumn), table.Key, "text", "so that the row is found by its index, and only by the same key"),
            "env_vars" => (nameof(StackEnvMergeOptions.EnvVarsColumn), table.EnvVars, "jsonb", "which holds the set"),
            "updated_at" => (
                nameof(StackEnvMergeOptions.UpdatedAtColumn), table.UpdatedAt, "timestamptz", "because other types depend on the session's time zone"),
            _ => (nameof(StackEnvMergeOptions.OwnerColumn), table.Owner, "", ""),
        };
        if (!isFit)
        {
            var allowed = role is "key" ? "uuid, text or bigint" : type;
            throw Unsuitable(
                stack,
                $"Column {column} of {table.Name} ({option}) is of type {declared}, and must be {allowed}, {why}: " +
                $"ALTER TABLE {table.Name} ALTER COLUMN {column} TYPE {type} USING {column}::{type};");
        }

        if (isGenerated && role is "env_vars" or "updated_at" && isGenerated)
        {
            throw Unsuitable(
                stack,
                $"Column {column} of {table.Name} ({option}) is a generated column, which cannot be written: " +
                $"ALTER TABLE {table.Name} ALTER COLUMN {column} DROP EXPRESSION;");
        }
    }

    private string NotUnique(TableFacts facts, StackRef stack)
    {
        var table = settings.Table;
        return facts.IsKeyUniqueWithOwner
            ? $"Column {table.Key} of {table.Name} is unique only together with {table.Owner}: name the owner with {nameof(StackRef.OwnedBy)}, " +
                $"or make the key unique alone: CREATE UNIQUE INDEX CONCURRENTLY ON {table.Name} ({table.Key});"
            : $"Column {table.Key} of {table.Name} is not unique, so that a merge could write to more than one row: " +
                $"CREATE UNIQUE INDEX CONCURRENTLY ON {table.Name} ({(stack.Owner is null ? "" : $"{table.Owner}, ")}{table.Key});";
    }
}
