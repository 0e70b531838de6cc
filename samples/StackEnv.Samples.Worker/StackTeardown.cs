using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace StackEnv.Samples.Worker;

/// <summary>Deletes stacks that are to be deleted, while requests for them may still be coming in.</summary>
internal sealed class StackTeardown(
    NpgsqlDataSource database, Retries retries, WorkerOptions options, ILogger<StackTeardown> logger) : BackgroundService
{
    // A row that somebody holds is left for the next round, and several workers share the work.
    private const string DeleteSome =
        """
        DELETE FROM stacks WHERE id IN (SELECT id FROM stacks WHERE status = 'deleting' LIMIT 20 FOR UPDATE SKIP LOCKED)
        RETURNING id
        """;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.TeardownInterval);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            await retries.Outage.ExecuteAsync(DeleteAsync, stoppingToken);
        }
    }

    private async ValueTask DeleteAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(DeleteSome);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            Log.TornDown(logger, reader.GetGuid(0));
        }
    }
}
