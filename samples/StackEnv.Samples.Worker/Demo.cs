using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Samples.Worker;

/// <summary>Not to be copied: a database, and a stand-in for the rest of a control plane, which asks for changes good and bad.</summary>
internal sealed class Demo(DemoDatabase database) : BackgroundService, IAsyncDisposable
{
    public static async Task<Demo?> StartUnlessConfiguredAsync(HostApplicationBuilder builder)
    {
        if (builder.Configuration.GetConnectionString("Database") is { Length: > 0 })
        {
            return null;
        }

        var database = await DemoDatabase.StartAsync("stackenv_worker");
        builder.Configuration["ConnectionStrings:Database"] = database.ConnectionString;
        Console.WriteLine(
            $"""
            PostgreSQL: {database.Origin}
            A second worker on the same queue, in another terminal:
              dotnet run --project samples/StackEnv.Samples.Worker -- --ConnectionStrings:Database="{database.ConnectionString}"

            """);
        return new Demo(database);
    }

    public void AddTo(HostApplicationBuilder builder) => builder.Services.AddSingleton<IHostedService>(this);

    public async Task ShowSummaryAsync()
    {
        await using var command = database.DataSource.CreateCommand(
            """
            SELECT string_agg(line, E'\n' ORDER BY line) FROM (
                SELECT count(*) || ' ' || status || coalesce(' (' || error_code || ')', '') AS line FROM env_change_requests
                GROUP BY status, error_code) AS lines
            """);
        Console.WriteLine(await command.ExecuteScalarAsync());
    }

    public ValueTask DisposeAsync() => database.DisposeAsync();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        const string request = "INSERT INTO env_change_requests (stack_id, changes) VALUES ($1, $2::jsonb)";
        var stacks = new Queue<Guid>();
        for (var turn = 0; ; turn++)
        {
            if (turn % 10 is 0)
            {
                stacks.Enqueue(await StacksTable.InsertAsync(database.DataSource, $"stack-{turn}", cancellationToken: stoppingToken));
            }

            var stack = stacks.Last();
            await ExecuteAsync(request, stoppingToken, stack, $$"""{"LOG_LEVEL": "info", "BUILD": "{{turn}}", "OLD_FLAG": ""}""");
            switch (turn % 25)
            {
                case 5:
                    await ExecuteAsync(request, stoppingToken, stack, """{"not a key": "1"}""");
                    break;
                case 10:
                    await ExecuteAsync(request, stoppingToken, Guid.NewGuid(), """{"LOG_LEVEL": "debug"}""");
                    break;
                case 15:
                    await ExecuteAsync(request, stoppingToken, stack, $$"""{"TOO_LONG": "{{new string('x', 70_000)}}"}""");
                    break;
                case 20: // holds the row for longer than one attempt, so that a request is put back and applied later
                    _ = ExecuteAsync("UPDATE stacks SET slug = slug WHERE id = $1 RETURNING pg_sleep(5)", stoppingToken, stack);
                    break;
                case 24:
                    await ExecuteAsync("UPDATE stacks SET status = 'deleting' WHERE id = $1", stoppingToken, stacks.Peek());
                    await ExecuteAsync(request, stoppingToken, stacks.Dequeue(), """{"LOG_LEVEL": "debug"}""");
                    break;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), stoppingToken);
        }
    }

    private async Task ExecuteAsync(string sql, CancellationToken cancellationToken, params object[] values)
    {
        await using var command = database.DataSource.CreateCommand(sql);
        command.Parameters.AddRange(values.Select(static value => new NpgsqlParameter { Value = value }).ToArray());
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
