using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>Another session's transaction that holds what its one statement locked, until it ends. To dispose it is to roll back.</summary>
[SuppressMessage("Security", "CA2100", Justification = "The SQL is the tests' own.")]
public sealed class HeldLock : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;

    private HeldLock(NpgsqlConnection connection, NpgsqlTransaction transaction)
    {
        _connection = connection;
        _transaction = transaction;
    }

    public static async Task<HeldLock> TakeAsync(NpgsqlDataSource dataSource, string sql, params object[] values)
    {
        var connection = await dataSource.OpenConnectionAsync();
        var held = new HeldLock(connection, await connection.BeginTransactionAsync());
        await held.ExecuteAsync(sql, values);
        return held;
    }

    /// <summary>Runs another statement in the same transaction.</summary>
    public async Task ExecuteAsync(string sql, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, _connection);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        await command.ExecuteNonQueryAsync();
    }

    public Task CommitAsync() => _transaction.CommitAsync();

    /// <summary>Sets the status and commits, as a teardown worker does.</summary>
    public async Task CommitStatusAsync(Guid id, string status)
    {
        await ExecuteAsync("UPDATE stacks SET status = $2 WHERE id = $1", id, status);
        await CommitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
