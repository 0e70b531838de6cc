using Npgsql;
using NpgsqlTypes;

namespace StackEnv.LocalPostgres;

/// <summary>
/// The table of stacks that samples and tests merge into. Table names are used as they are given: quoting is the caller's.
/// </summary>
public static class StacksTable
{
    /// <summary>The statement that creates the table.</summary>
    public static string Ddl(string table = "stacks") => Ddl(table, "UNIQUE");

    /// <summary>Creates the table.</summary>
    public static async Task CreateAsync(
        NpgsqlDataSource dataSource, string qualifiedTable = "stacks", CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataSource);

        await using var command = dataSource.CreateCommand(Ddl(qualifiedTable));
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>
    /// Creates the table on a coordinator of Citus, and distributes it by its id. It can have no unique index without that column.
    /// </summary>
    public static async Task CreateDistributedAsync(NpgsqlDataSource dataSource, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(dataSource);

        await using var command = dataSource.CreateCommand(
            $"{Ddl("stacks", "")}; SELECT create_distributed_table('stacks', 'id', colocate_with => 'none', shard_count => 4)");
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

    private static string Ddl(string table, string uniqueness) =>
        $"""
        CREATE TABLE {table}
        (
            id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
            team_id    uuid        NULL,
            slug       text        NOT NULL {uniqueness},
            status     text        NOT NULL DEFAULT 'building'
                                   CHECK (status IN ('building', 'deploying', 'healthy', 'failed', 'stopped', 'deleting')),
            env_vars   jsonb       NOT NULL DEFAULT '{"{}"}',
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        )
        """;
}
