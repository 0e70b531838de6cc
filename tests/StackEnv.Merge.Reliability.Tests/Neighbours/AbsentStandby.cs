using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// A server whose commits wait for a synchronous standby that never comes, unless the session asks for no more than a local commit.
/// </summary>
public sealed class AbsentStandby : IAsyncLifetime
{
    private const string Waits = "-c synchronous_commit=on";
    private const string DoesNotWait = "-c synchronous_commit=local";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private RestartableCluster _cluster = null!;

    public async Task InitializeAsync()
    {
        _cluster = await RestartableCluster.StartAsync();
        await AwaitStandbyAsync("nobody");
    }

    public Task DisposeAsync() => _cluster.DisposeAsync().AsTask();

    /// <summary>A schema whose own connections do not wait.</summary>
    public Task<TestDatabase> CreateDatabaseAsync() => TestDatabase.CreateAsync($"{_cluster.ConnectionString};Options={DoesNotWait}");

    /// <summary>Connections whose commits wait.</summary>
    public static NpgsqlDataSource WaitingDataSource(TestDatabase database, string furtherOptions = "") => database.DataSourceWith(
        settings => (settings.Options, settings.CancellationTimeout) = ($"{Waits} {furtherOptions}", 500));

    /// <summary>Names the standby that commits wait for, or none.</summary>
    public async Task AwaitStandbyAsync(string name)
    {
        await _cluster.ExecuteAsync($"ALTER SYSTEM SET synchronous_standby_names = '{name}'");
        await _cluster.ExecuteAsync("SELECT pg_reload_conf()");
        await using var dataSource = NpgsqlDataSource.Create($"{_cluster.ConnectionString};Pooling=false");
        var deadline = DateTime.UtcNow + Patience;
        string? set;
        do
        {
            Assert.True(DateTime.UtcNow < deadline, "The server did not take the setting over.");
            await using var show = dataSource.CreateCommand("SHOW synchronous_standby_names");
            set = (string?)await show.ExecuteScalarAsync();
        }
        while (!string.Equals(set, name, StringComparison.Ordinal));
    }

    /// <summary>Returns the server process of this schema whose COMMIT waits for the standby, as soon as there is one.</summary>
    public static async Task<int> WaiterAsync(TestDatabase database, Task waiting)
    {
        var deadline = DateTime.UtcNow + Patience;
        while (true)
        {
            var process = await database.ScalarAsync<int>(
                "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = $1", database.Schema);
            if (process != 0)
            {
                return process;
            }

            Assert.False(waiting.IsCompleted, "The commit did not wait for the standby.");
            Assert.True(DateTime.UtcNow < deadline, "No commit waits for the standby.");
            await Task.Delay(5);
        }
    }
}
