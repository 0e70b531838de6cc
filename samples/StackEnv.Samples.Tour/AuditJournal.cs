using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Tour;

/// <summary>Writes an audit row in the merge's own transaction: the two are committed together, or neither is.</summary>
internal sealed class AuditJournal : IStackEnvMergeJournal
{
    /// <summary>The table that it writes to.</summary>
    public const string Ddl = "CREATE TABLE audit_log (stack uuid, keys_set int, keys_deleted int, total_after int)";

    public IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result) =>
    [
        new("INSERT INTO audit_log VALUES ($1, $2, $3, $4)")
        {
            Parameters =
            {
                new() { Value = stack.Key },
                new() { Value = result.KeysSet },
                new() { Value = result.KeysDeleted },
                new() { Value = result.TotalAfter },
            },
        },
    ];
}
