using Microsoft.Extensions.Hosting;
using Npgsql;
using NpgsqlTypes;
using StackEnv.LocalPostgres;

namespace StackEnv.Samples.Worker;

/// <summary>Stands in for the rest of a control plane: makes stacks, asks for changes good and bad, and has stacks torn down.</summary>
internal sealed class DemoTraffic(NpgsqlDataSource database) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    // Longer than a few attempts take, so that the request is put back once and applied later.
    private static readonly TimeSpan LongHold = TimeSpan.FromSeconds(5);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var stacks = new Queue<Guid>();
        for (var turn = 0; ; turn++)
        {
            if (turn % 10 is 0)
            {
                stacks.Enqueue(await StacksTable.InsertAsync(database, $"stack-{turn}", cancellationToken: stoppingToken));
            }

            var stack = stacks.Last();
            switch (turn % 25)
            {
                case 5:
                    await RequestAsync(stack, """{"not a key": "1"}""", stoppingToken);
                    break;
                case 10:
                    await RequestAsync(Guid.NewGuid(), """{"LOG_LEVEL": "debug"}""", stoppingToken);
                    break;
                case 15:
                    await RequestAsync(stack, $$"""{"TOO_LONG": "{{new string('x', 70_000)}}"}""", stoppingToken);
                    break;
                case 20:
                    _ = HoldAsync(stack, stoppingToken);
                    break;
                case 24:
                    var oldest = stacks.Dequeue();
                    await RequestAsync(oldest, """{"LOG_LEVEL": "trace"}""", stoppingToken);
                    await ExecuteAsync("UPDATE stacks SET status = 'deleting' WHERE id = $1", oldest, stoppingToken);
                    await RequestAsync(oldest, """{"LOG_LEVEL": "debug"}""", stoppingToken);
                    break;
            }

            await RequestAsync(
                stack, $$"""{"LOG_LEVEL": "info", "BUILD": "{{turn}}", "BUILD_{{turn % 4}}": "{{turn}}", "OLD_FLAG": ""}""", stoppingToken);
            await Task.Delay(Pause, stoppingToken);
        }
    }

    private async Task RequestAsync(Guid stack, string changes, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("INSERT INTO env_change_requests (stack_id, changes) VALUES ($1, $2)");
        command.Parameters.Add(new() { Value = stack });
        command.Parameters.Add(new() { Value = changes, NpgsqlDbType = NpgsqlDbType.Jsonb });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private async Task HoldAsync(Guid stack, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        await using var command =
            new NpgsqlCommand("SELECT FROM stacks WHERE id = $1 FOR UPDATE", connection) { Parameters = { new() { Value = stack } } };
        await command.ExecuteNonQueryAsync(cancellationToken);
        await Task.Delay(LongHold, cancellationToken);
    }

    private async Task ExecuteAsync(string sql, Guid stack, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(sql);
        command.Parameters.Add(new() { Value = stack });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }
}
