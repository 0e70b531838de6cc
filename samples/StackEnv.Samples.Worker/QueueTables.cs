using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace StackEnv.Samples.Worker;

/// <summary>Creates the queue's tables (see <c>queue.sql</c>) where they are missing, before anything else starts.</summary>
internal sealed class QueueTables(NpgsqlDataSource database, Retries retries) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken) => await retries.Outage.ExecuteAsync(EnsureAsync, cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [SuppressMessage("Security", "CA2100", Justification = "The script is part of this program.")]
    private async ValueTask EnsureAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        // One worker at a time, if several start at once.
        await using var exists = new NpgsqlCommand(
            """
            SELECT pg_advisory_xact_lock(hashtextextended('env_change_requests', 0));
            SELECT to_regclass('env_change_requests') IS NOT NULL
            """,
            connection);
        await using (var reader = await exists.ExecuteReaderAsync(cancellationToken))
        {
            await reader.NextResultAsync(cancellationToken);
            if (await reader.ReadAsync(cancellationToken) && reader.GetBoolean(0))
            {
                return;
            }
        }

        using var script = new StreamReader(typeof(QueueTables).Assembly.GetManifestResourceStream("queue.sql")!);
        await using var create = new NpgsqlCommand(await script.ReadToEndAsync(cancellationToken), connection);
        await create.ExecuteNonQueryAsync(cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }
}
