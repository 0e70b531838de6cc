using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>
/// The usual code by hand: read <c>FOR UPDATE</c>, change, write. It promises less than the library: a wait in a queue is bounded only at
/// each step, the role's defaults decide about the isolation, and a commit without an answer is an error like any other.
/// </summary>
internal sealed class ReadChangeWrite(string connectionString) : IContestant
{
    private readonly NpgsqlDataSource _dataSource = NpgsqlDataSource.Create(connectionString);

    public async Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes)
    {
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();

        await using (var setTimeout = new NpgsqlCommand(MergeRules.LimitEachWait, connection, transaction))
        {
            await setTimeout.ExecuteNonQueryAsync();
        }

        Dictionary<string, string> env;
        await using (var read = new NpgsqlCommand("SELECT status, env_vars FROM stacks WHERE id = $1 FOR UPDATE", connection, transaction))
        {
            read.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = stack });
            await using var row = await read.ExecuteReaderAsync();
            await row.ReadAsync();
            env = MergeRules.Parse(row.GetString(1));
            MergeRules.Apply(env, row.GetString(0), changes);
        }

        await using (var write = new NpgsqlCommand(
            "UPDATE stacks SET env_vars = $1, updated_at = now() WHERE id = $2", connection, transaction))
        {
            write.Parameters.Add(new NpgsqlParameter<string> { TypedValue = MergeRules.Serialize(env), NpgsqlDbType = NpgsqlDbType.Jsonb });
            write.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = stack });
            MergeRules.ThrowUnlessOneRow(await write.ExecuteNonQueryAsync());
        }

        await transaction.CommitAsync();
        return env;
    }

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();
}
