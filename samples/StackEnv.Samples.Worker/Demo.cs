using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Samples.Worker;

/// <summary>A schema of the demo's own, and what is to be said of it.</summary>
internal sealed class Demo : IAsyncDisposable
{
    private readonly SampleSchema _schema;

    private Demo(SampleSchema schema) => _schema = schema;

    public string ConnectionString => _schema.ConnectionString;

    public NpgsqlDataSource Database => _schema.DataSource;

    public static async Task<Demo> CreateAsync(PostgresServer server)
    {
        var demo = new Demo(await SampleSchema.CreateAsync(server.ConnectionString, $"stackenv_worker_{Environment.ProcessId}"));
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
        {
            Console.WriteLine(reader.GetString(0));
        }
    }

    public ValueTask DisposeAsync() => _schema.DisposeAsync();
}
