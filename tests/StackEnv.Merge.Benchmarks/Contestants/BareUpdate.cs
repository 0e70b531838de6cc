using System.Text.Json;
using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>
/// The limit: the one statement without which nothing is written. No lock, no guard, no counts, no deletes, and it does not return the set.
/// </summary>
internal sealed class BareUpdate(string connectionString) : IContestant
{
    public const string Sql = "UPDATE stacks SET env_vars = env_vars || $1 WHERE id = $2";

    private readonly NpgsqlDataSource _dataSource = NpgsqlDataSource.Create(connectionString);

    public async Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes)
    {
        await using var update = _dataSource.CreateCommand(Sql);
        update.Parameters.Add(
            new NpgsqlParameter<byte[]> { TypedValue = JsonSerializer.SerializeToUtf8Bytes(changes), NpgsqlDbType = NpgsqlDbType.Jsonb });
        update.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = stack });
        MergeRules.ThrowUnlessOneRow(await update.ExecuteNonQueryAsync());
        return null;
    }

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();
}
