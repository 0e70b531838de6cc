using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>A schema with a table of stacks, filled for one scenario after the other.</summary>
[SuppressMessage("Security", "CA2100", Justification = "The SQL is the benchmarks' own.")]
internal sealed class StacksDatabase : IAsyncDisposable
{
    private readonly SampleSchema _schema;
    private int _tableRows;

    private StacksDatabase(SampleSchema schema) => _schema = schema;

    /// <summary>Opens the schema on the server itself, without a proxy in between.</summary>
    public string ConnectionString => _schema.ConnectionString;

    public NpgsqlDataSource DataSource => _schema.DataSource;

    /// <summary>The server's first process, where it can be seen from here.</summary>
    public int? Postmaster { get; private init; }

    public static async Task<StacksDatabase> CreateAsync(PostgresServer server)
    {
        var schema = await SampleSchema.CreateAsync(server.ConnectionString, $"benchmarks_{Guid.NewGuid():N}");

        // Vacuumed before each measurement instead, so that none has to pay for what the one before left.
        await schema.ExecuteAsync("ALTER TABLE stacks SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)");
        await using var connection = await schema.DataSource.OpenConnectionAsync();
        return new(schema) { Postmaster = ServerCpu.FindPostmaster(connection.ProcessID) };
    }

    /// <summary>The id of the stack with this number.</summary>
    public static Guid IdOf(int number) => Guid.ParseExact(number.ToString("x32", CultureInfo.InvariantCulture), "N");

    /// <summary>The settings that all contestants' data sources have.</summary>
    public string ConnectionStringWith(bool prepared, int callers) => new NpgsqlConnectionStringBuilder(ConnectionString)
    {
        MaxAutoPrepare = prepared ? 50 : 0,
        // The driver's default, or more where each caller of a contestant that holds a connection would have to wait for one.
        MaxPoolSize = Math.Max(new NpgsqlConnectionStringBuilder().MaxPoolSize, callers + 1),
        SslMode = SslMode.Disable,
        GssEncryptionMode = GssEncryptionMode.Disable,
    }.ConnectionString;

    /// <summary>Makes the table as large as it has to be.</summary>
    public async Task FillAsync(int rows)
    {
        if (_tableRows == rows)
        {
            return;
        }

        await _schema.ExecuteAsync(string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            TRUNCATE stacks;

            -- No two sets are alike, so that the planner's statistics are full of them.
            INSERT INTO stacks (id, slug, status, env_vars)
            SELECT lpad(to_hex(number), 32, '0')::uuid, 'stack-' || number, 'healthy',
                   jsonb_build_object('LOG_LEVEL', 'info', 'PORT', '8080', 'API_TOKEN', md5(number::text))
            FROM generate_series(0, {{rows - 1}}) AS number;
            """));
        await _schema.ExecuteAsync("VACUUM (ANALYZE) stacks");
        _tableRows = rows;
    }

    /// <summary>Gives these stacks this set.</summary>
    public async Task SetAsync(IReadOnlyCollection<Guid> stacks, string env)
    {
        await using var reset = DataSource.CreateCommand("UPDATE stacks SET env_vars = $1, status = 'healthy' WHERE id = ANY ($2)");
        reset.Parameters.Add(new NpgsqlParameter<string> { TypedValue = env, NpgsqlDbType = NpgsqlDbType.Jsonb });
        reset.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. stacks] });
        await reset.ExecuteNonQueryAsync();
    }

    /// <summary>Sweeps away what earlier measurements left.</summary>
    public Task VacuumAsync() => _schema.ExecuteAsync("VACUUM stacks");

    /// <summary>The sets of these stacks.</summary>
    public async Task<Dictionary<Guid, string>> EnvsAsync(IReadOnlyCollection<Guid> stacks)
    {
        await using var read = DataSource.CreateCommand("SELECT id, env_vars::text FROM stacks WHERE id = ANY ($1)");
        read.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. stacks] });
        await using var rows = await read.ExecuteReaderAsync();
        var envs = new Dictionary<Guid, string>();
        while (await rows.ReadAsync())
        {
            envs.Add(rows.GetGuid(0), rows.GetString(1));
        }

        return envs;
    }

    public ValueTask DisposeAsync() => _schema.DisposeAsync();
}
