using System.Diagnostics.CodeAnalysis;
using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Worker;

/// <summary>
/// One request, locked. Disposing it without <see cref="SettleAsync"/> or <see cref="PutBackAsync"/> leaves the request as it was.
/// </summary>
internal sealed class Claim(NpgsqlConnection connection, NpgsqlTransaction transaction, WorkerOptions options) : IAsyncDisposable
{
    // If the merge was committed after all (by a worker that was killed before it recorded that, or on a connection that was lost), its
    // receipt is there and stands. If not, this one prevents that it is ever committed.
    private const string WriteReceipt =
        """
        INSERT INTO env_change_receipts (request_id, outcome, error_code, reason) VALUES ($1, 'failed', $2, $3)
        ON CONFLICT (request_id) DO NOTHING
        """;

    // A failed request keeps its changes, so that a person can send it again.
    private const string CopyReceipt =
        """
        UPDATE env_change_requests AS request
        SET status = receipt.outcome, error_code = receipt.error_code, reason = receipt.reason, attempts = $2,
            keys_set = receipt.keys_set, keys_deleted = receipt.keys_deleted, total_after = receipt.total_after,
            changes = CASE WHEN receipt.outcome = 'failed' THEN changes END, finished_at = clock_timestamp()
        FROM env_change_receipts AS receipt
        WHERE request.id = $1 AND receipt.request_id = request.id
        RETURNING status
        """;

    // The pause doubles with each attempt up to a cap, and half of it is random: requests that failed together do not come back together.
    private const string PutBack =
        """
        UPDATE env_change_requests
        SET attempts = $2, error_code = $3, reason = $4,
            next_attempt_at = clock_timestamp() + least($6, $5 * 2 ^ least($2 - 1, 20)) * (0.5 + random() / 2)
        WHERE id = $1
        """;

    public required long Id { get; init; }
    public required Guid Stack { get; init; }
    public required IReadOnlyDictionary<string, string?> Changes { get; init; }

    /// <summary>The number of this attempt, from 1.</summary>
    public required int Attempt { get; init; }

    /// <summary>Makes the outcome final and frees the claim.</summary>
    /// <param name="failure">Why the merge failed, or null.</param>
    /// <returns>Whether the request is applied: the first outcome that is written stands.</returns>
    public async Task<bool> SettleAsync(StackEnvMergeException? failure)
    {
        if (failure is not null)
        {
            await ExecuteAsync(WriteReceipt, Id, failure.ErrorCode, failure.Message);
        }

        var status = await ExecuteAsync(CopyReceipt, Id, Attempt) as string ??
            throw new InvalidOperationException($"Request {Id} has no receipt. Is {nameof(Receipts)} registered as a journal?");
        await transaction.CommitAsync(CancellationToken.None);
        return status is "applied";
    }

    /// <summary>Leaves the request to any worker, after a pause, and frees the claim.</summary>
    public async Task PutBackAsync(StackEnvMergeException failure)
    {
        await ExecuteAsync(PutBack, Id, Attempt, failure.ErrorCode, failure.Message, options.RetryDelay, options.MaxRetryDelay);
        await transaction.CommitAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        await transaction.DisposeAsync();
        await connection.DisposeAsync();
    }

    // Without a token: the worker may be stopping, and this must not be left undone.
    [SuppressMessage("Security", "CA2100", Justification = "The SQL is above.")]
    private async Task<object?> ExecuteAsync(string sql, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        command.Parameters.AddRange(values.Select(static value => new NpgsqlParameter { Value = value }).ToArray());
        return await command.ExecuteScalarAsync(CancellationToken.None);
    }
}
