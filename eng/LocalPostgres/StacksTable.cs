using Npgsql;
using NpgsqlTypes;

namespace StackEnv.LocalPostgres;

/// <summary>
/// The table of stacks that samples and tests merge into. Table names are used as they are given: quoting is the caller's.
/// </summary>
public static class StacksTable
{
    /// <summary>The statement that creates the table.</summary>
    public static string Ddl(string table = "stacks") =>
        $"""
        CREATE TABLE {table}
        (
            id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
            team_id    uuid        NULL,
            slug       text        NOT NULL UNIQUE,
            status     text        NOT NULL DEFAULT 'building'
                                   CHECK (status IN ('building', 'deploying', 'healthy', 'failed', 'stopped', 'deleting')),
            env_vars   jsonb       NOT NULL DEFAULT '{"{}"}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
        """;

    /// <summary>Creates the table.</summary>
    public static async Task CreateAsync(
        NpgsqlDataSource dataSource, string qualifiedTable = "stacks", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataSource);

        await using var command = dataSource.CreateCommand(Ddl(qualifiedTable));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Inserts a stack and returns its id.</summary>
    public static async Task<Guid> InsertAsync(
        NpgsqlDataSource dataSource,
        string slug,
        string env = "{}",
        string status = "healthy",
        Guid? team = null,
        string qualifiedTable = "stacks",
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataSource);

        await using var command = dataSource.CreateCommand(
            $"INSERT INTO {qualifiedTable} (slug, env_vars, status, team_id) VALUES ($1, $2, $3, $4) RETURNING id");
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = slug });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = env, NpgsqlDbType = NpgsqlDbType.Jsonb });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = status });
        command.Parameters.Add(new NpgsqlParameter<Guid?> { TypedValue = team, NpgsqlDbType = NpgsqlDbType.Uuid });
        return (Guid)(await command.ExecuteScalarAsync(cancellationToken))!;
    }
}
