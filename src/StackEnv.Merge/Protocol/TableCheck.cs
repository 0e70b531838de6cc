using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>Checks the table once, before the first transaction, and keeps what it found.</summary>
/// <remarks>
/// Only what is suitable is kept: after a refusal the next merge checks again, so a table that was fixed needs no restart. Merges that
/// start at the same time each check it for themselves.
/// </remarks>
internal sealed class TableCheck(MergeSettings settings, string driverEncoding)
{
    // PostgreSQL reports UTF8 for every spelling of it but this one, which it repeats.
    private const string ServersOtherUtf8 = "UNICODE";
    private const string DriversOtherUtf8 = "UTF-8";

    private volatile TableFacts? _facts;

    /// <exception cref="UnsuitableTableException">A merge into this stack is not safe.</exception>
    public async ValueTask<TableFacts> LookAsync(NpgsqlConnection connection, StackRef stack, CancellationToken cancellationToken)
    {
        CheckEncoding(connection, stack);
        var facts = _facts ?? await ReadAsync(connection, stack, cancellationToken).ConfigureAwait(false);
        if (facts.IsDistributed)
        {
            CheckLiterals(connection, stack);
        }

        if (facts.IsJudged && !facts.ProvesOneRow(stack))
        {
            Forget();
            throw Unsuitable(stack, NotUnique(facts, stack));
        }

        return facts;
    }

    /// <summary>The table is not as it was: the next merge looks again.</summary>
    public void Forget() => _facts = null;

    /// <summary>The UPDATE had to wait for the row although it was locked: from now on the locked read takes the stronger lock.</summary>
    public void LockStrongly() => _facts = _facts is { } facts ? facts with { NeedsStrongLock = true } : null;

    // The server reports these settings of each session whenever one changes.
    // https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-ASYNC
    private void CheckEncoding(NpgsqlConnection connection, StackRef stack)
    {
        CheckEncoding(driverEncoding, DriversOtherUtf8, stack);
        if (connection.PostgresParameters.TryGetValue("client_encoding", out var encoding))
        {
            CheckEncoding(encoding, ServersOtherUtf8, stack);
        }
    }

    private static void CheckEncoding(string encoding, string otherUtf8, StackRef stack)
    {
        if (!encoding.Equals("UTF8", StringComparison.OrdinalIgnoreCase) && !encoding.Equals(otherUtf8, StringComparison.OrdinalIgnoreCase))
        {
            throw Unsuitable(
                stack,
                $"The encoding of the session is {encoding}, and a merge needs UTF8, or it would change values. Remove Client " +
                "Encoding and Encoding from the connection string, PGCLIENTENCODING from the environment, and SET client_encoding from " +
                "the data source's initializer.");
        }
    }

    // Citus writes parameters as literals into the statements of its workers, and by these settings a worker reads others.
    private static void CheckLiterals(NpgsqlConnection connection, StackRef stack)
    {
        Check("standard_conforming_strings", "on", "it doubles the backslashes of values");
        Check("DateStyle", "ISO", "it can change the time of a merge");

        void Check(string setting, string needed, string harm)
        {
            if (connection.PostgresParameters.TryGetValue(setting, out var value) && !value.StartsWith(needed, StringComparison.Ordinal))
            {
                throw Unsuitable(
                    stack,
                    $"{setting} is {value} in this session. On a table that Citus distributes, {harm}. Set it to {needed} where it is " +
                    "set: for the role, the database, the server, or in Options of the connection string.");
            }
        }
    }

    private static UnsuitableTableException Unsuitable(StackRef stack, string problem) => new(stack, problem);

    private async Task<TableFacts> ReadAsync(NpgsqlConnection connection, StackRef stack, CancellationToken cancellationToken)
    {
        try
        {
            var command = TableCatalogSql.Command(connection, settings);
            await using (command.ConfigureAwait(false))
            {
                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    TableFacts? facts = null;
                    var hasKey = false;
                    while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    {
                        facts ??= ReadFacts(reader);
                        CheckEncoding(reader.GetString(5), ServersOtherUtf8, stack);
                        CheckColumn(reader, stack);
                        hasKey |= reader.GetString(7) is "key";
                    }

                    // No table, or no such column: the merge's own statement fails with a better message.
                    return facts is not null && hasKey ? _facts = facts : TableFacts.Unknown;
                }
            }
        }

        // This role cannot read the catalogs, or they are not PostgreSQL's: nothing is known, so nothing is refused.
        catch (PostgresException refused) when (refused.SqlState[..2] is "42" or "0A" or "XX" && Provenance.IsServers(refused))
        {
            return _facts = TableFacts.Unknown;
        }

        // The session's own statement_timeout is too short for it. The merge sets limits of its own.
        catch (PostgresException refused) when (refused.SqlState is PostgresErrorCodes.QueryCanceled && Provenance.IsServers(refused))
        {
            return TableFacts.Unknown;
        }
    }

    private static TableFacts ReadFacts(NpgsqlDataReader row)
    {
        var (hasParts, ofKey, ofBoth) = (row.GetBoolean(1), row.GetBoolean(2), row.GetBoolean(3));

        // A unique index of a partitioned table covers all its partitions, but not every partitioned table can have one on its key. A
        // unique index of a table that others inherit from does not cover their rows.
        var isJudged = row.GetString(0) switch
        {
            "r" => !hasParts,
            "p" => ofKey || ofBoth,
            _ => false,
        };
        return new(
            isJudged, isJudged && ofKey, isJudged && ofBoth, NeedsStrongLock: row.GetBoolean(4), SuppressesWarnings: row.GetBoolean(6),
            IsDistributed: row.GetBoolean(11));
    }

    private void CheckColumn(NpgsqlDataReader row, StackRef stack)
    {
        var (role, declared, generated, isFit, isDistributed) =
            (row.GetString(7), row.GetString(8), row.GetString(9), row.GetBoolean(10), row.GetBoolean(11));
        var table = settings.Table;
        var column = role switch
        {
            "key" => table.Key,
            "owner" => table.Owner,
            "status" => table.Status,
            "env_vars" => table.EnvVars,
            "version" => table.Version,
            _ => table.UpdatedAt,
        };
        var alter = $"ALTER TABLE {table.Name} ALTER COLUMN {column}";

        // This comes first: the server does not change the type of a generated column.
        if (generated.Length > 0 && (role is "env_vars" or "updated_at" or "version"))
        {
            throw Unsuitable(stack, $"Column {column} of {table.Name} is a generated column, which cannot be written: " + generated switch
            {
                "a" => $"{alter} DROP IDENTITY;",
                "v" => $"ALTER TABLE {table.Name} DROP COLUMN {column}, ADD COLUMN {column} " +
                    $"{(role is "env_vars" ? "jsonb" : role is "version" ? "bigint" : "timestamptz")};",
                _ => $"{alter} DROP EXPRESSION;",
            });
        }

        if (!isFit)
        {
            throw Unsuitable(stack, $"Column {column} of {table.Name} is of type {declared}. " + role switch
            {
                "key" => "A StackRef is made from a Guid, a string or a long. It finds its row by the index, and only by the same key, " +
                    $"if the column is uuid, text or bigint: {alter} TYPE text USING {column}::text;",
                "status" when isDistributed =>
                    "Citus cannot compare an enum in the UPDATE of a distributed table, and the status is one, or none of " +
                    $"{nameof(StackEnvMergeOptions.DeletingStatuses)} is a value of it: {alter} TYPE text USING {column}::text;",
                "status" => $"None of {nameof(StackEnvMergeOptions)}.{nameof(StackEnvMergeOptions.DeletingStatuses)} is a value of it, " +
                    "so that a stack in teardown would be written to: set them to values of this type.",
                "env_vars" => $"It must be jsonb: {alter} TYPE jsonb USING {column}::jsonb;",
                "version" => $"It must be bigint: {alter} TYPE bigint USING {column}::bigint;",
                _ => "It must be timestamptz, because other types depend on the session's time zone. If its times are in UTC: " +
                    $"{alter} TYPE timestamptz USING {column}::timestamp AT TIME ZONE 'UTC';",
            });
        }
    }

    private string NotUnique(TableFacts facts, StackRef stack)
    {
        var table = settings.Table;
        return facts.IsKeyUniqueWithOwner
            ? $"Column {table.Key} of {table.Name} is unique only together with {table.Owner}: name the owner with " +
                $"{nameof(StackRef.OwnedBy)}, or make the key unique alone: CREATE UNIQUE INDEX CONCURRENTLY ON {table.Name} ({table.Key});"
            : $"Column {table.Key} of {table.Name} is not unique, so that a merge could write to more than one row: " +
                $"CREATE UNIQUE INDEX CONCURRENTLY ON {table.Name} ({(stack.Owner is null ? "" : $"{table.Owner}, ")}{table.Key});";
    }
}
