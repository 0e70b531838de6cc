using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>Another session that holds one row.</summary>
public sealed class RowLock : IAsyncDisposable
{
    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlTransaction _transaction;

    private RowLock(NpgsqlConnection connection, NpgsqlTransaction transaction)
    {
        _connection = connection;
        _transaction = transaction;
    }

    public static async Task<RowLock> TakeAsync(NpgsqlDataSource dataSource, Guid id)
    {
        var connection = await dataSource.OpenConnectionAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using var command = new NpgsqlCommand("SELECT FROM stacks WHERE id = $1 FOR UPDATE", connection) { Parameters = { new() { Value = id } } };
        await command.ExecuteNonQueryAsync();
        return new(connection, transaction);
    }

    /// <summary>Sets the status and commits, as a teardown worker does.</summary>
    public async Task CommitStatusAsync(Guid id, string status)
    {
        await using var command = new NpgsqlCommand("UPDATE stacks SET status = $2 WHERE id = $1", _connection)
        {
            Parameters = { new() { Value = id }, new() { Value = status } },
        };
        await command.ExecuteNonQueryAsync();
        await _transaction.CommitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }
}
