using System.Diagnostics;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>A primary and its streaming standby.</summary>
public sealed class PgpoolServers : IAsyncLifetime
{
    /// <summary>A superuser who needs <see cref="Password"/>. All other users need none.</summary>
    internal const string UserWithPassword = "with_password";

    internal const string Password = "right";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private RestartableCluster _primary = null!;
    private RestartableCluster _standby = null!;

    internal string Standby => _standby.ConnectionString;

    internal RestartableCluster Primary => _primary;

    internal RestartableCluster StandbyServer => _standby;

    public async Task InitializeAsync()
    {
        _primary = await RestartableCluster.StartAsync();
        await _primary.ExecuteAsync(
            $"SET password_encryption = 'scram-sha-256'; CREATE ROLE {UserWithPassword} SUPERUSER LOGIN PASSWORD '{Password}'");
        await _primary.ExecuteAsync(
            $"""
            DO $$ BEGIN
              EXECUTE format(
                'COPY (VALUES (''local all {UserWithPassword} scram-sha-256''),
                              (''local all all trust''), (''local replication all trust'')) TO %L',
                current_setting('hba_file'));
            END $$
            """);
        await _primary.ExecuteAsync("SELECT pg_reload_conf()");
        _standby = await _primary.StartStandbyAsync();
    }

    public async Task DisposeAsync()
    {
        await _standby.DisposeAsync();
        await _primary.DisposeAsync();
    }

    internal Task<TestDatabase> CreateDatabaseAsync() => TestDatabase.CreateAsync(_primary.ConnectionString);

    /// <summary>Returns when the standby has all that the primary has now.</summary>
    internal async Task ReplicatedAsync()
    {
        await using var primary = NpgsqlDataSource.Create($"{_primary.ConnectionString};Pooling=false");
        await using var standby = NpgsqlDataSource.Create($"{Standby};Pooling=false");
        await using var position = primary.CreateCommand("SELECT pg_current_wal_lsn()::text");
        var reached = (string)(await position.ExecuteScalarAsync())!;
        var started = Stopwatch.GetTimestamp();
        await using var isThere = standby.CreateCommand("SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn");
        isThere.Parameters.Add(new() { Value = reached });
        while (await isThere.ExecuteScalarAsync() is not true)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, "The standby does not follow.");
            await Task.Delay(20);
        }
    }
}
