using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Samples.Worker;

/// <summary>
/// One request, locked. Disposing it without <see cref="SettleAsync"/> or <see cref="PutBackAsync"/> leaves the request as it was.
/// </summary>
internal sealed class Claim(NpgsqlConnection connection, NpgsqlTransaction transaction) : IAsyncDisposable
{
    // Where the merge was committed after all (by a worker that was killed before it could say so, or behind a lost connection), its
    // receipt is there already and stands. Where it was not, this one keeps it from ever being committed.
    private const string WriteReceipt =
        "INSERT INTO env_change_receipts (request_id, outcome, error_code) VALUES ($1, $2, $3) ON CONFLICT (request_id) DO NOTHING";

    private const string CopyReceipt =
        """
        UPDATE env_change_requests AS request
        SET status = receipt.outcome, error_code = receipt.error_code, attempts = attempts + $2, finished_at = clock_timestamp(),
            keys_set = receipt.keys_set, keys_deleted = receipt.keys_deleted, total_after = receipt.total_after,
            changes = CASE WHEN receipt.outcome = 'failed' THEN changes END
        FROM env_change_receipts AS receipt
        WHERE request.id = $1 AND receipt.request_id = request.id
        RETURNING status, request.error_code
        """;

    // Twice as long with each attempt, and half of it random, so that requests that failed together do not come back together.
    private const string PutBack =
        """
        UPDATE env_change_requests
        SET attempts = attempts + $2, error_code = $3,
            next_attempt_at = clock_timestamp() + least('1 minute', $4 * 2 ^ least(attempts, 20)) * (0.5 + random() / 2)
        WHERE id = $1
        """;

    public required long Id { get; init; }

    public required Guid Stack { get; init; }

    public required IReadOnlyDictionary<string, string?> Changes { get; init; }

    /// <summary>How many merges were tried before.</summary>
    public required int Attempts { get; init; }

    /// <summary>Makes the outcome final and frees the claim.</summary>
    /// <returns>The outcome that stands, which is the first that was written.</returns>
    public async Task<Outcome> SettleAsync(Outcome outcome)
    {
        await using var batch = new NpgsqlBatch(connection);
        if (outcome.Status is not "applied")
        {
            batch.BatchCommands.Add(new(WriteReceipt)
            {
                Parameters = { new() { Value = Id }, new() { Value = outcome.Status }, new() { Value = outcome.ErrorCode } },
            });
        }

        batch.BatchCommands.Add(new(CopyReceipt) { Parameters = { new() { Value = Id }, new() { Value = outcome.Attempts } } });

        // No token from here on: the worker may be stopping, and this is what it must not leave undone.
        Outcome standing;
        await using (var reader = await batch.ExecuteReaderAsync(CancellationToken.None))
        {
            if (!await reader.ReadAsync(CancellationToken.None))
            {
                throw new InvalidOperationException(
                    $"Request {Id} was merged and has no receipt. Is {nameof(Receipts)} registered as a journal?");
            }

            var errorCode = await reader.IsDBNullAsync(1, CancellationToken.None) ? null : reader.GetString(1);
            standing = outcome with { Status = reader.GetString(0), ErrorCode = errorCode };
        }

        await transaction.CommitAsync(CancellationToken.None);
        return standing;
    }

    /// <summary>Leaves the request to whoever comes first after a while, and frees the claim.</summary>
    public async Task PutBackAsync(Outcome outcome, TimeSpan delay)
    {
        await using var command = new NpgsqlCommand(PutBack, connection)
        {
            Parameters =
            {
                new() { Value = Id },
                new() { Value = outcome.Attempts },
                new() { Value = outcome.ErrorCode },
                new() { Value = delay, NpgsqlDbType = NpgsqlDbType.Interval },
            },
        };
        await command.ExecuteNonQueryAsync(CancellationToken.None);
        await transaction.CommitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }
}
