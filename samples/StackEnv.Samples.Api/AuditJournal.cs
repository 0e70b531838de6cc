using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

/// <summary>Writes a row of <c>audit_log</c> for each merge that changes something, in the merge's own transaction.</summary>
internal sealed class AuditJournal : IStackEnvMergeJournal
{
    private const string Insert =
        """
        INSERT INTO audit_log (team_id, kind, resource, metadata)
        VALUES ($1, 'stack.env.updated', $2, jsonb_build_object('keys_set', $3::int, 'keys_deleted', $4::int,
            'total_after', $5::int, 'added', $6::text[], 'updated', $7::text[], 'deleted', $8::text[]))
        """;

    public IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result) => !result.Changed ? [] :
    [
        new(Insert)
        {
            Parameters =
            {
                new() { Value = stack.Owner },
                new() { Value = stack.Key },
                new() { Value = result.KeysSet },
                new() { Value = result.KeysDeleted },
                new() { Value = result.TotalAfter },
                new() { Value = result.AddedKeys.ToArray() },
                new() { Value = result.UpdatedKeys.ToArray() },
                new() { Value = result.DeletedKeys.ToArray() },
            },
        },
    ];
}
