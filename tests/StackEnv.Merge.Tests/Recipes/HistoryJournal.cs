using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Tests.Recipes;

public sealed class HistoryJournal : IStackEnvMergeJournal
{
    public IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result)
    {
        if (result.Changed)
        {
            yield return new("INSERT INTO stack_env_history (stack_id, added, updated, deleted, env) VALUES ($1, $2, $3, $4, $5)")
            {
                Parameters =
                {
                    new() { Value = stack.Key },
                    new() { Value = result.AddedKeys.ToArray() },
                    new() { Value = result.UpdatedKeys.ToArray() },
                    new() { Value = result.DeletedKeys.ToArray() },
                    new() { Value = JsonSerializer.Serialize(result.Env), NpgsqlDbType = NpgsqlDbType.Jsonb },
                },
            };
        }
    }

    public static Dictionary<string, string?> ChangesBackTo(
        IReadOnlyDictionary<string, string> then, IReadOnlyDictionary<string, string> now)
    {
        var changes = then.ToDictionary(pair => pair.Key, pair => (string?)pair.Value);
        foreach (var key in now.Keys.Except(then.Keys))
        {
            changes[key] = null;
        }

        return changes;
    }
}
