using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Worker;

/// <summary>
/// Writes the receipt of a request in its merge's own transaction. So a request is applied at most once: a second merge, by a worker that
/// took over or by one that was believed dead, violates the primary key and is rolled back.
/// </summary>
internal sealed class Receipts : IStackEnvMergeJournal
{
    // A journal gets the stack and the result; which request they belong to flows with the call.
    private readonly AsyncLocal<long> _request = new();

    /// <summary>The request that this flow of control merges for.</summary>
    public long Request
    {
        set => _request.Value = value;
    }

    public IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result) =>
    [
        new("INSERT INTO env_change_receipts (request_id, outcome, keys_set, keys_deleted, total_after) VALUES ($1, 'applied', $2, $3, $4)")
        {
            Parameters =
            {
                new() { Value = _request.Value },
                new() { Value = result.KeysSet },
                new() { Value = result.KeysDeleted },
                new() { Value = result.TotalAfter },
            },
        },
    ];
}
