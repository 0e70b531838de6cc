using System.Text.Json;
using Npgsql;

namespace StackEnv.Samples.Worker;

/// <summary>The table of requests, from which every worker takes.</summary>
/// <param name="claims">
/// A pool of its own: each claim holds a connection while its merge waits for another one. From one pool, claims could take them all and
/// wait for ever for what they hold themselves.
/// </param>
internal sealed class ChangeQueue(NpgsqlDataSource claims)
{
    // A request waits for the earlier ones of its stack: they are applied in the order in which they were made, and a stack whose row is
    // held by somebody takes up one consumer and not all of them.
    private const string ClaimNext =
        """
        SELECT id, stack_id, changes, attempts FROM env_change_requests AS request
        WHERE status = 'pending' AND next_attempt_at <= now()
          AND NOT EXISTS (
            SELECT FROM env_change_requests AS earlier
            WHERE earlier.stack_id = request.stack_id AND earlier.id < request.id AND earlier.status = 'pending')
        ORDER BY id LIMIT 1
        FOR UPDATE SKIP LOCKED
        """;

    // Takes the claim from a worker that hangs. It may wake up and go on with its merge all the same: its receipt will come too late.
    private const string BoundClaim = "SET LOCAL idle_in_transaction_session_timeout = '2min'";

    /// <summary>
    /// Takes the oldest request that is due, or null. The claim is the lock on its row, held by the transaction that will also write what
    /// came of it: when this process is killed, PostgreSQL itself frees it.
    /// </summary>
    public async Task<Claim?> ClaimAsync(CancellationToken cancellationToken)
    {
        var connection = await claims.OpenConnectionAsync(cancellationToken);
        NpgsqlTransaction? transaction = null;
        Claim? claim = null;
        try
        {
            transaction = await connection.BeginTransactionAsync(cancellationToken);
            await using var batch = new NpgsqlBatch(connection) { BatchCommands = { new(BoundClaim), new(ClaimNext) } };
            await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
            if (await reader.ReadAsync(cancellationToken))
            {
                claim = new Claim(connection, transaction)
                {
                    Id = reader.GetInt64(0),
                    Stack = reader.GetGuid(1),
                    Changes = JsonSerializer.Deserialize<Dictionary<string, string?>>(reader.GetString(2))!,
                    Attempts = reader.GetInt32(3),
                };
            }

            return claim;
        }
        finally
        {
            if (claim is null)
            {
                if (transaction is not null)
                {
                    await transaction.DisposeAsync();
                }

                await connection.DisposeAsync();
            }
        }
    }
}
