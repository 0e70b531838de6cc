using System.Text.Json;
using Npgsql;

namespace StackEnv.Samples.Api.Load;

/// <summary>Compares what the callers were told with what the database holds.</summary>
internal static class Truth
{
    public static async Task<List<string>> CheckAsync(string connectionString, IReadOnlyCollection<LoadedStack> stacks)
    {
        await using var database = NpgsqlDataSource.Create(connectionString);
        var violations = stacks.SelectMany(static stack => stack.Violations).ToList();
        foreach (var stack in stacks)
        {
            // Both times are taken under the row's lock, so that their order is the order of the transactions.
            await using var command = database.CreateCommand(
                """
                SELECT env_vars::text, status,
                    coalesce(sum((metadata->>'keys_set')::int), 0), coalesce(sum((metadata->>'keys_deleted')::int), 0),
                    count(*) FILTER (WHERE status = 'deleting' AND at > updated_at)
                FROM stacks LEFT JOIN audit_log ON resource = slug
                WHERE slug = $1
                GROUP BY stacks.id
                """);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = stack.Slug });
            await using var row = await command.ExecuteReaderAsync();
            await row.ReadAsync();
            violations.AddRange(Compare(stack, row));
        }

        return violations;
    }

    private static IEnumerable<string> Compare(LoadedStack stack, NpgsqlDataReader row)
    {
        var env = JsonSerializer.Deserialize<Dictionary<string, string>>(row.GetString(0))!;
        foreach (var key in stack.Told.Keys.Union(env.Keys).Where(key => !stack.IsUncertain(key)))
        {
            var told = stack.Told.GetValueOrDefault(key);
            var stored = env.GetValueOrDefault(key);
            if (!string.Equals(told, stored, StringComparison.Ordinal))
            {
                yield return $"{stack.Slug}: {key} is {stored ?? "not there"}, and its writer was told {told ?? "not there"}.";
            }
        }

        if (stack.IsTornDown != row.GetString(1) is "deleting")
        {
            yield return $"{stack.Slug}: its status is {row.GetString(1)}.";
        }

        // A merge that changed nothing (it deleted a key that was not there) counts nothing and has no row.
        if (!stack.HasUncertain && (row.GetInt64(2), row.GetInt64(3)) != (stack.KeysSet, stack.KeysDeleted))
        {
            yield return $"{stack.Slug}: the audit log has {row.GetInt64(2)} set and {row.GetInt64(3)} deleted, and the callers were " +
                $"told {stack.KeysSet} and {stack.KeysDeleted}.";
        }

        if (row.GetInt64(4) > 0)
        {
            yield return $"{stack.Slug}: {row.GetInt64(4)} merges were committed after the flip.";
        }
    }
}
