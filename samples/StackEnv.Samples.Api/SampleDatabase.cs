using Npgsql;
using StackEnv.LocalPostgres;
using StackEnv.Samples.Api.Teams;

namespace StackEnv.Samples.Api;

/// <summary>The sample's tables, in a schema of its own.</summary>
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

    private readonly SampleSchema _schema;

    private SampleDatabase(SampleSchema schema)
    {
        _schema = schema;

        // Prepares the whole batch of a merge.
        ConnectionString = new NpgsqlConnectionStringBuilder(schema.ConnectionString) { MaxAutoPrepare = 20 }.ConnectionString;
    }

    public string Schema => _schema.Name;

    public string ConnectionString { get; }

    public static async Task<SampleDatabase> CreateAsync(string serverConnectionString)
    {
        var schema = await SampleSchema.CreateAsync(serverConnectionString, $"stackenv_api_{Guid.NewGuid():N}");
        await schema.ExecuteAsync(AuditLogDdl);
        return new SampleDatabase(schema);
    }

    /// <summary>Some stacks for the first team, one for each other team.</summary>
    public async Task SeedAsync(IList<Team> teams)
    {
        ArgumentNullException.ThrowIfNull(teams);
        var first = teams[0].Id;
        await StacksTable.InsertAsync(
            _schema.DataSource,
            "shop",
            """
            {"LOG_LEVEL": "debug", "OLD_FLAG": "1", "API_TOKEN": "a-secret-that-is-never-shown",
             "DATABASE_URL": "postgres://shop:pass@db/shop", "SMTP_PASSWORD": "vault://kv/shop#smtp"}
            """,
            team: first);
        await StacksTable.InsertAsync(_schema.DataSource, "blog", team: first);
        await StacksTable.InsertAsync(_schema.DataSource, "old-shop", """{"LOG_LEVEL": "info"}""", "deleting", first);
        foreach (var team in teams.Skip(1))
        {
            await StacksTable.InsertAsync(_schema.DataSource, $"{team.Name}-site", """{"LOG_LEVEL": "info"}""", team: team.Id);
        }
    }

    public ValueTask DisposeAsync() => _schema.DisposeAsync();
}
