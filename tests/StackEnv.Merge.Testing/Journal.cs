using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>A journal that a test writes in place.</summary>
public sealed class Journal(Func<StackRef, MergeResult, IEnumerable<NpgsqlBatchCommand>> record) : IStackEnvMergeJournal
{
    /// <summary>An audit row for each merge that changed something.</summary>
    public static Journal Audit { get; } = new(static (stack, result) => result.Changed
        ?
        [
            new NpgsqlBatchCommand("INSERT INTO audit (stack, keys_set, keys_deleted, total_after, env) VALUES ($1, $2, $3, $4, $5)")
            {
                Parameters =
                {
                    new() { Value = stack.Key },
                    new() { Value = result.KeysSet },
                    new() { Value = result.KeysDeleted },
                    new() { Value = result.TotalAfter },
                    new() { Value = System.Text.Json.JsonSerializer.Serialize(result.Env), NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Jsonb },
                },
            },
        ]
        : []);

    /// <summary>Adds nothing; but COMMIT no longer goes with the rest of the merge.</summary>
    public static Journal Silent { get; } = new(static (_, _) => []);

    public static Task CreateAuditAsync(TestDatabase database) => database.ExecuteAsync(
        "CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY, stack uuid, keys_set int, keys_deleted int, total_after int, env " +
        "jsonb)");

    public IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result) => record(stack, result);
}
