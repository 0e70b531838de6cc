using Medallion.Threading.Postgres;
using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>A lock of DistributedLock.Postgres (an advisory lock), and a plain read, change and write under it.</summary>
/// <remarks>
/// The lock is given a connection string, as
/// <see href="https://github.com/madelson/DistributedLock/blob/master/docs/DistributedLock.Postgres.md">its docs</see> prefer.
/// </remarks>
internal sealed class DistributedLock(string connectionString) : IContestant
{
    private readonly NpgsqlDataSource _dataSource = NpgsqlDataSource.Create(connectionString);

    public async Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes)
    {
        var key = new PostgresAdvisoryLockKey($"stack {stack}", allowHashing: true);
        var stackLock = new PostgresDistributedLock(key, connectionString);
        await using (await stackLock.AcquireAsync(MergeRules.LockTimeout))
        {
            await using var connection = await _dataSource.OpenConnectionAsync();
            Dictionary<string, string> env;
            await using (var read = new NpgsqlCommand("SELECT status, env_vars FROM stacks WHERE id = $1", connection))
            {
                read.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = stack });
                await using var row = await read.ExecuteReaderAsync();
                await row.ReadAsync();
                env = MergeRules.Parse(row.GetString(1));
                MergeRules.Apply(env, row.GetString(0), changes);
            }

            await using var write = new NpgsqlCommand("UPDATE stacks SET env_vars = $1, updated_at = now() WHERE id = $2", connection);
            write.Parameters.Add(new NpgsqlParameter<string> { TypedValue = MergeRules.Serialize(env), NpgsqlDbType = NpgsqlDbType.Jsonb });
            write.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = stack });
            MergeRules.ThrowUnlessOneRow(await write.ExecuteNonQueryAsync());
            return env;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _dataSource.DisposeAsync();

        // The lock's own connections are in the pool that belongs to the connection string.
        await using var ofTheLock = new NpgsqlConnection(connectionString);
        NpgsqlConnection.ClearPool(ofTheLock);
    }
}
