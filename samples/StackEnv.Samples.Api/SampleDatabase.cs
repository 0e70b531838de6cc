using Npgsql;
using StackEnv.Samples.Api.Teams;
using StackEnv.Samples.Postgres;

namespace StackEnv.Samples.Api;

/// <summary>The sample's tables, in a schema of its own that goes away with it: the server may be one that holds other things.</summary>
internal sealed class SampleDatabase : IAsyncDisposable
{
    public const string AuditLogDdl =
        """
        CREATE TABLE audit_log
        (
            id       bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
            at       timestamptz NOT NULL DEFAULT clock_timestamp(),
            team_id  uuid        NOT NULL,
            kind     text        NOT NULL,
            resource text        NOT NULL,
            metadata jsonb       NOT NULL
        );
        CREATE INDEX ON audit_log (team_id, resource, id);
        """;

    private readonly NpgsqlDataSource _dataSource;

    private SampleDatabase(string serverConnectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(serverConnectionString)
        {
            SearchPath = Schema,
            MaxAutoPrepare = 20, // prepares the whole batch of a merge
        };
        ConnectionString = settings.ConnectionString;
        _dataSource = NpgsqlDataSource.Create(ConnectionString);
    }

    public string Schema { get; } = $"stackenv_api_{Guid.NewGuid():N}";

    public string ConnectionString { get; }

    public static async Task<SampleDatabase> CreateAsync(string serverConnectionString)
    {
        var database = new SampleDatabase(serverConnectionString);
        await database.ExecuteAsync($"CREATE SCHEMA {database.Schema}");
        await StacksTable.CreateAsync(database._dataSource);
        await database.ExecuteAsync(AuditLogDdl);
        return database;
    }

    /// <summary>Some stacks for the first team, one for each other team.</summary>
    public async Task SeedAsync(IList<Team> teams)
    {
        ArgumentNullException.ThrowIfNull(teams);
        var first = teams[0].Id;
        await StacksTable.InsertAsync(
            _dataSource,
            "shop",
            """
            {"LOG_LEVEL": "debug", "OLD_FLAG": "1", "API_TOKEN": "a-secret-that-is-never-shown", "DATABASE_URL": "postgres://shop:pass@db/shop",
             "SMTP_PASSWORD": "vault://kv/shop#smtp"}
            """,
            team: first);
        await StacksTable.InsertAsync(_dataSource, "blog", team: first);
        await StacksTable.InsertAsync(_dataSource, "old-shop", """{"LOG_LEVEL": "info"}""", "deleting", first);
        foreach (var team in teams.Skip(1))
            await StacksTable.InsertAsync(_dataSource, $"{team.Name}-site", """{"LOG_LEVEL": "info"}""", team: team.Id);
    }

    public async ValueTask DisposeAsync()
    {
        await ExecuteAsync($"DROP SCHEMA {Schema} CASCADE");
        await _dataSource.DisposeAsync();
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = _dataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
