using System.Text.Json;
using Npgsql;

namespace StackEnv.Samples.Worker;

/// <summary>The table of requests, from which every worker takes.</summary>
/// <param name="claims">
/// A pool of its own: each claim holds a connection while its merge waits for another one. From one pool, claims could take them all and
/// wait forever for what they hold themselves.
/// </param>
/// <param name="options">The pauses between attempts.</param>
internal sealed class ChangeQueue(NpgsqlDataSource claims, WorkerOptions options)
{
    // A request waits for the earlier ones of its stack, so they are applied in order, and a stack whose row is held occupies one consumer.
    // The time limit takes the claim from a worker that hangs. If that worker goes on with its merge, its receipt is too late.
    private const string ClaimNext =
        """
        SET LOCAL idle_in_transaction_session_timeout = '2min';
        SELECT id, stack_id, changes, attempts FROM env_change_requests AS request
        WHERE status = 'pending' AND next_attempt_at <= now()
          AND NOT EXISTS (
            SELECT FROM env_change_requests AS earlier
            WHERE earlier.stack_id = request.stack_id AND earlier.id < request.id AND earlier.status = 'pending')
        ORDER BY id LIMIT 1
        FOR UPDATE SKIP LOCKED
        """;

    /// <summary>Takes the oldest request that is due, or null. If this process is killed, PostgreSQL frees the claim.</summary>
    public async Task<Claim?> ClaimAsync(CancellationToken cancellationToken)
    {
        var connection = await claims.OpenConnectionAsync(cancellationToken);
        Claim? claim = null;
        try
        {
            var transaction = await connection.BeginTransactionAsync(cancellationToken);
            await using var command = new NpgsqlCommand(ClaimNext, connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            if (await reader.ReadAsync(cancellationToken))
            {
                claim = new Claim(connection, transaction, options)
                {
                    Id = reader.GetInt64(0),
                    Stack = reader.GetGuid(1),
                    Changes = JsonSerializer.Deserialize<Dictionary<string, string?>>(reader.GetString(2))!,
                    Attempt = reader.GetInt32(3) + 1,
                };
            }

            return claim;
        }
        finally
        {
            if (claim is null)
            {
                await connection.DisposeAsync(); // with its transaction
            }
        }
    }
}
