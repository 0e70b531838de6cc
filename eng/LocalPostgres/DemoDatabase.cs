using Npgsql;

namespace StackEnv.LocalPostgres;

/// <summary>
/// A database for a sample that has none: on a PostgreSQL that is found or started, a schema of its own with the tables and rows of a
/// script. It is dropped at the end.
/// </summary>
public sealed class DemoDatabase : IAsyncDisposable
{
    private readonly PostgresServer _server;
    private readonly SampleSchema _schema;

    private DemoDatabase(PostgresServer server, SampleSchema schema) => (_server, _schema) = (server, schema);

    /// <summary>Where it is, as a phrase for people.</summary>
    public string Origin => $"{_server.Origin}, schema {_schema.Name}";

    public string ConnectionString => _schema.ConnectionString;

    public NpgsqlDataSource DataSource => _schema.DataSource;

    /// <param name="name">The start of the schema's name.</param>
    /// <param name="script">Runs once the table of stacks is there.</param>
    public static async Task<DemoDatabase> StartAsync(string name, string script = "")
    {
        var server = await PostgresServer.FindOrStartAsync();
        var demo = new DemoDatabase(server, await SampleSchema.CreateAsync(server.ConnectionString, $"{name}_{Guid.NewGuid():N}"));
        if (script is { Length: > 0 })
        {
            await demo._schema.ExecuteAsync(script);
        }

        return demo;
    }

    public async ValueTask DisposeAsync()
    {
        await _schema.DisposeAsync();
        await _server.DisposeAsync();
    }
}
