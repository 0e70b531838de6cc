using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>The test's own way to the database, which waits where the server is down.</summary>
[SuppressMessage("Security", "CA2100", Justification = "The SQL is the test's own.")]
internal sealed class SoakDatabase(string connectionString) : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly NpgsqlDataSource _dataSource = NpgsqlDataSource.Create(
        new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, ApplicationName = "soak" });

    public async Task<T?> ScalarAsync<T>(string sql, params object[] values)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (true)
        {
            try
            {
                await using var command = _dataSource.CreateCommand(sql);
                foreach (var value in values)
                {
                    command.Parameters.Add(new() { Value = value });
                }

                return await command.ExecuteScalarAsync() is T scalar ? scalar : default;
            }
            catch (NpgsqlException failure) when (failure.IsTransient && DateTime.UtcNow < deadline)
            {
                await Task.Delay(20);
            }
        }
    }

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();
}
