using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

/// <summary>
/// One row of <c>audit_log</c> for each merge that changed something, committed with it: the two are there, or neither is.
/// </summary>
internal sealed class AuditJournal : IStackEnvMergeJournal
{
    private const string Insert =
        """
        INSERT INTO audit_log (team_id, kind, resource, metadata)
        VALUES ($1, 'stack.env.updated', $2, jsonb_build_object('keys_set', $3::int, 'keys_deleted', $4::int, 'total_after', $5::int))
        """;

    public IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result)
    {
        if (!result.Changed)
        {
            return [];
        }

        return
        [
            new(Insert)
            {
                Parameters =
                {
                    new NpgsqlParameter<Guid> { TypedValue = (Guid)stack.Owner! },
                    new NpgsqlParameter<string> { TypedValue = (string)stack.Key },
                    new NpgsqlParameter<int> { TypedValue = result.KeysSet },
                    new NpgsqlParameter<int> { TypedValue = result.KeysDeleted },
                    new NpgsqlParameter<int> { TypedValue = result.TotalAfter },
                },
            },
        ];
    }
}
