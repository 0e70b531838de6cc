using Microsoft.Extensions.Hosting;
using Npgsql;

namespace StackEnv.Samples.Worker;

/// <summary>Wakes the consumers when PostgreSQL notifies that there is a new request.</summary>
internal sealed class QueueSignal(NpgsqlDataSource claims, Retries retries) : BackgroundService
{
    private TaskCompletionSource _next = NewSource();

    /// <summary>Completes at the next notification. Take it before looking into the queue, so that no request is missed.</summary>
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
            // First for what arrived while this process did not listen.
            Interlocked.Exchange(ref _next, NewSource()).SetResult();
            await connection.WaitAsync(cancellationToken);
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
