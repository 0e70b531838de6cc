using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>The same protocol as the library's, one command after the other, by Npgsql.</summary>
internal sealed class StatementByStatement(string connectionString) : IContestant
{
    private readonly NpgsqlDataSource _dataSource = NpgsqlDataSource.Create(connectionString);

    public async Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes)
    {
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted);

        await using (var limitEachWait = new NpgsqlCommand(MergeRules.LimitEachWait, connection, transaction))
        {
            await limitEachWait.ExecuteNonQueryAsync();
        }

        await using (var limitAllWaits = new NpgsqlCommand(MergeRules.LimitAllWaits, connection, transaction))
        {
            await limitAllWaits.ExecuteNonQueryAsync();
        }

        Dictionary<string, string> env;
        await using (var read = new NpgsqlCommand(
            "SELECT status, env_vars FROM stacks WHERE id = $1 FOR NO KEY UPDATE", connection, transaction))
        {
            read.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = stack });
            await using var row = await read.ExecuteReaderAsync();
            await row.ReadAsync();
            env = MergeRules.Parse(row.GetString(1));
            MergeRules.Apply(env, row.GetString(0), changes);
        }

        await using (var liftLimit = new NpgsqlCommand(MergeRules.LiftLimit, connection, transaction))
        {
            await liftLimit.ExecuteNonQueryAsync();
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
