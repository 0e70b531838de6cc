using System.Data;
using Dapper;
using Npgsql;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>The same protocol as the library's, one command after the other, by Dapper.</summary>
internal sealed class StatementByStatementWithDapper(string connectionString) : IContestant
{
    private readonly NpgsqlDataSource _dataSource = NpgsqlDataSource.Create(connectionString);

    public async Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes)
    {
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted);
        await connection.ExecuteAsync(MergeRules.LimitEachWait, transaction: transaction);
        await connection.ExecuteAsync(MergeRules.LimitAllWaits, transaction: transaction);
        var (status, stored) = await connection.QuerySingleAsync<(string Status, string Env)>(
            "SELECT status, env_vars FROM stacks WHERE id = @stack FOR NO KEY UPDATE", new { stack }, transaction);
        var env = MergeRules.Parse(stored);
        MergeRules.Apply(env, status, changes);
        await connection.ExecuteAsync(MergeRules.LiftLimit, transaction: transaction);
        MergeRules.ThrowUnlessOneRow(await connection.ExecuteAsync(
            "UPDATE stacks SET env_vars = @env::jsonb, updated_at = now() WHERE id = @stack",
            new { env = MergeRules.Serialize(env), stack }, transaction));
        await transaction.CommitAsync();
        return env;
    }

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();
}
