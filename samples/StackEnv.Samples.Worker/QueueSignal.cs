using Microsoft.Extensions.Hosting;
using Npgsql;

namespace StackEnv.Samples.Worker;

/// <summary>Tells the consumers when PostgreSQL says that there is something new.</summary>
internal sealed class QueueSignal(NpgsqlDataSource claims, Retries retries) : BackgroundService
{
    private TaskCompletionSource _next = NewSource();

    /// <summary>
    /// Done at the next notification. To be taken before looking into the queue: a request that comes between the look and the wait is not
    /// missed.
    /// </summary>
    public Task Next => Volatile.Read(ref _next).Task;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken) =>
        await retries.Outage.ExecuteAsync(ListenAsync, stoppingToken);

    private async ValueTask ListenAsync(CancellationToken cancellationToken)
    {
        await using var connection = await claims.OpenConnectionAsync(cancellationToken);
        await using (var listen = new NpgsqlCommand("LISTEN env_change_requests", connection))
        {
            await listen.ExecuteNonQueryAsync(cancellationToken);
        }

        while (true)
        {
            // First of all for what came while nobody listened.
            Interlocked.Exchange(ref _next, NewSource()).SetResult();
            await connection.WaitAsync(cancellationToken);
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
