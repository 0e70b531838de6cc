using Npgsql;
using StackEnv.Samples.Postgres;

namespace StackEnv.Samples.Worker;

/// <summary>A schema of the demo's own, because the server may hold other things; it goes away at the end.</summary>
internal sealed class Demo : IAsyncDisposable
{
    private readonly string _schema;

    private Demo(string schema, string connectionString)
    {
        _schema = schema;
        ConnectionString = connectionString;
        Database = NpgsqlDataSource.Create(connectionString);
    }

    public string ConnectionString { get; }

    public NpgsqlDataSource Database { get; }

    public static async Task<Demo> CreateAsync(PostgresServer server)
    {
        var schema = $"stackenv_worker_{Environment.ProcessId}";
        var demo = new Demo(schema, new NpgsqlConnectionStringBuilder(server.ConnectionString) { SearchPath = schema }.ConnectionString);
        await demo.ExecuteAsync($"CREATE SCHEMA {schema}");
        await StacksTable.CreateAsync(demo.Database);
        Console.WriteLine(
            $"""
            PostgreSQL: {server.Origin}
            A second worker on the same queue, in another terminal:
              dotnet run --project samples/StackEnv.Samples.Worker -- --ConnectionStrings:Database="{demo.ConnectionString}"

            """);
        return demo;
    }

    public async Task ShowSummaryAsync()
    {
        await using var command = Database.CreateCommand(
            """
            SELECT count(*) || ' ' || status || coalesce(' (' || error_code || ')', '') FROM env_change_requests
            GROUP BY status, error_code ORDER BY status, error_code
            """);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            Console.WriteLine(reader.GetString(0));
    }

    public async ValueTask DisposeAsync()
    {
        await ExecuteAsync($"DROP SCHEMA {_schema} CASCADE");
        await Database.DisposeAsync();
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var command = Database.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }
}
