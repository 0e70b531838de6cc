using System.Text.Json;
using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

/// <summary>Everything but the merge: each operation is one round trip, and the team is part of each look-up.</summary>
internal sealed class StackStore(NpgsqlDataSource database)
{
    private const string Columns = "id, slug, status, created_at, updated_at";
    private const int LatestEntries = 100;

    // What PostgreSQL could store is not too deep for us either.
    private static readonly JsonDocumentOptions AnyDepth = new() { MaxDepth = int.MaxValue };

    /// <summary>Creates a stack; null where the slug is taken.</summary>
    public async Task<StackView?> CreateAsync(string slug, Guid team, CancellationToken cancellationToken)
    {
        await using var command = Command(
            $"INSERT INTO stacks (slug, team_id) VALUES ($1, $2) ON CONFLICT (slug) DO NOTHING RETURNING {Columns}", slug, team);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? View(reader) : null;
    }

    /// <exception cref="StackNotFoundException">There is no such stack, or it is another team's. So say all the methods below.</exception>
    public async Task<StackView> FindAsync(string slug, Guid team, CancellationToken cancellationToken)
    {
        await using var command = Command($"SELECT {Columns} FROM stacks WHERE slug = $1 AND team_id = $2", slug, team);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? View(reader) : throw NotFound(slug, team);
    }

    /// <summary>Starts the teardown. A second call finds it started, and changes nothing that matters.</summary>
    public async Task<StackView> TearDownAsync(string slug, Guid team, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new("BEGIN"),
                new("SET LOCAL lock_timeout = '3s'"), // a locked row must not hold this request's connection for long
                new(
                    "UPDATE stacks SET status = 'deleting', updated_at = clock_timestamp() WHERE slug = $1 AND team_id = $2 " +
                    $"RETURNING {Columns}")
                {
                    Parameters = { new() { Value = slug }, new() { Value = team } },
                },
                new("COMMIT"),
            },
        };
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        var stack = await reader.ReadAsync(cancellationToken) ? View(reader) : null;
        await reader.NextResultAsync(cancellationToken); // an error of the COMMIT would come out here
        return stack ?? throw NotFound(slug, team);
    }

    /// <exception cref="StoredEnvInvalidException">The row holds something other than a JSON object.</exception>
    public async Task<Dictionary<string, string>> ReadEnvAsync(string slug, Guid team, CancellationToken cancellationToken)
    {
        await using var command = Command("SELECT coalesce(env_vars, '{}')::text FROM stacks WHERE slug = $1 AND team_id = $2", slug, team);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            throw NotFound(slug, team);
        }

        using var stored = JsonDocument.Parse(reader.GetString(0), AnyDepth);
        if (stored.RootElement.ValueKind != JsonValueKind.Object)
        {
            throw new StoredEnvInvalidException(((StackRef)slug).OwnedBy(team));
        }

        return stored.RootElement.EnumerateObject().ToDictionary(
            static property => property.Name,
            static property => property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString()! : property.Value.GetRawText(),
            StringComparer.Ordinal);
    }

    /// <summary>The latest entries of the audit log, newest first.</summary>
    public async Task<List<AuditEntry>> ReadAuditAsync(string slug, Guid team, CancellationToken cancellationToken)
    {
        // The outer join tells a stack without entries from no stack.
        await using var command = Command(
            """
            SELECT log.id, log.at, log.kind, log.resource,
                (log.metadata->>'keys_set')::int, (log.metadata->>'keys_deleted')::int, (log.metadata->>'total_after')::int
            FROM stacks LEFT JOIN audit_log AS log ON log.resource = stacks.slug AND log.team_id = stacks.team_id
            WHERE stacks.slug = $1 AND stacks.team_id = $2
            ORDER BY log.id DESC
            LIMIT $3
            """,
            slug,
            team,
            LatestEntries);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        if (!await reader.ReadAsync(cancellationToken))
        {
            throw NotFound(slug, team);
        }

        var entries = new List<AuditEntry>();
        while (!await reader.IsDBNullAsync(0, cancellationToken))
        {
            entries.Add(new(
                reader.GetInt64(0),
                await reader.GetFieldValueAsync<DateTimeOffset>(1, cancellationToken),
                reader.GetString(2),
                reader.GetString(3),
                new(reader.GetInt32(4), reader.GetInt32(5), reader.GetInt32(6))));
            if (!await reader.ReadAsync(cancellationToken))
            {
                break;
            }
        }

        return entries;
    }

    private NpgsqlCommand Command(string sql, params ReadOnlySpan<object> values)
    {
        var command = database.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        return command;
    }

    private static StackView View(NpgsqlDataReader row) => new(
        row.GetGuid(0), row.GetString(1), row.GetString(2), row.GetFieldValue<DateTimeOffset>(3), row.GetFieldValue<DateTimeOffset>(4));

    private static StackNotFoundException NotFound(string slug, Guid team) => new(((StackRef)slug).OwnedBy(team));
}
