using System.Diagnostics;
using Npgsql;
using static StackEnv.Merge.Reliability.Tests.Neighbours.PoolerChecks;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>The servers behind pgpool-II go down, and it notices: by its health check, or by the session that fails.</summary>
public sealed class PgpoolFailoverTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const string HealthCheck = "health_check_period = 1\nhealth_check_timeout = 2\nhealth_check_max_retries = 0";
    private const string WarmOnly = """{"WARM": "1"}""";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly PgpoolServers _servers = new();
    private TestDatabase _database = null!;
    private Guid _id;

    public async Task InitializeAsync()
    {
        await _servers.InitializeAsync();
        _database = await _servers.CreateDatabaseAsync();
        _id = await _database.InsertAsync("""{"WARM": "1"}""");
        await _servers.ReplicatedAsync();
    }

    public async Task DisposeAsync()
    {
        await _database.DataSource.DisposeAsync();
        await _servers.DisposeAsync();
    }

    /// <summary>
    /// A pgpool that keeps trying its server says so. One that has given up closes connections silently. The settings make one or the
    /// other likely, and neither certain.
    /// </summary>
    [Theory]
    [InlineData("failover_on_backend_error = off")]
    [InlineData(HealthCheck)]
    public async Task While_its_only_server_is_down_every_merge_is_transient(string settings)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await Pgpool.StartAsync(_database, settings: $"connection_cache = off\n{settings}");
        await using var dataSource = pooler.DataSource(static settings => (settings.Timeout, settings.Pooling) = (5, false));
        var merger = Merger(dataSource);
        Assert.False((await merger.MergeAsync(_id, Set("WARM"))).Changed); // so pgpool has found its server
        await _servers.Primary.StopAsync(ShutdownMode.Fast);

        for (var turn = 0; turn < 8; turn++)
        {
            var failure = await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(_id, Set("A")));
            output.WriteLine(failure.Message);
            await Task.Delay(300);
        }

        await _servers.Primary.StartAgainAsync();
        Assert.Equal(WarmOnly, await StoredAtLastAsync(_database.ConnectionString));
    }

    [Theory]
    [InlineData(ShutdownMode.Fast, false)]
    [InlineData(ShutdownMode.Fast, true)]
    [InlineData(ShutdownMode.Immediate, false)]
    [InlineData(ShutdownMode.Immediate, true)]
    public async Task A_primary_that_stops_during_a_merge_is_reported_correctly(ShutdownMode mode, bool withJournal)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await Pgpool.StartAsync(_database, _servers.Standby, HealthCheck);
        await using var dataSource = pooler.DataSource();
        var holder = await _database.LockAsync(_id);
        var merging = Merger(dataSource, withJournal).MergeAsync(_id, Set("A"));
        await _database.WaitersAsync(1);

        await _servers.Primary.StopAsync(mode);

        var told = await OutcomeAsync(merging);
        await DropAsync(holder);
        await _servers.Primary.StartAgainAsync();
        var stored = await StoredAtLastAsync(_database.ConnectionString);
        output.WriteLine($"{told}; stored {stored}");
        Assert.Empty(Lies(told, stored));
        Assert.Equal(WarmOnly, stored);
    }

    /// <summary>
    /// pgpool ends the sessions that use the lost server. The merge of such a session has reached the primary, which carries it out.
    /// </summary>
    [Theory]
    [InlineData(ShutdownMode.Fast, false)]
    [InlineData(ShutdownMode.Fast, true)]
    [InlineData(ShutdownMode.Immediate, false)]
    [InlineData(ShutdownMode.Immediate, true)]
    public async Task A_standby_that_stops_during_a_merge_is_reported_correctly(ShutdownMode mode, bool withJournal)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await Pgpool.StartAsync(_database, _servers.Standby, HealthCheck);
        await using var dataSource = pooler.DataSource();
        var merger = Merger(dataSource, withJournal);
        var holder = await _database.LockAsync(_id);
        var merging = merger.MergeAsync(_id, Set("A"));
        await _database.WaitersAsync(1);

        await _servers.StandbyServer.StopAsync(mode);
        await Task.WhenAny(merging, Task.Delay(TimeSpan.FromSeconds(4)));
        output.WriteLine(merging.IsCompleted ? "It ended before the row was free." : "It still waits for the row.");
        await holder.DisposeAsync();

        var told = await OutcomeAsync(merging);
        var stored = await StoredAtLastAsync(_database.ConnectionString);
        output.WriteLine($"{told}; stored {stored}");
        Assert.Empty(Lies(told, stored));
        await UntilMergedAsync(merger, _id, output, "B");
    }

    [Fact]
    public async Task After_a_failover_merges_reach_the_new_primary()
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await Pgpool.StartAsync(_database, _servers.Standby, HealthCheck);
        await using var dataSource = pooler.DataSource(static settings => settings.Timeout = 5);
        var merger = Merger(dataSource);
        Assert.True((await merger.MergeAsync(_id, Set("BEFORE"))).Changed);
        await _servers.ReplicatedAsync();
        await _servers.Primary.StopAsync(ShutdownMode.Immediate);

        var told = new Dictionary<string, Told>(StringComparer.Ordinal);
        for (var turn = 0; turn < 5; turn++)
        {
            told[$"DOWN_{turn}"] = await OutcomeAsync(merger.MergeAsync(_id, Set($"DOWN_{turn}")));
        }

        await _servers.StandbyServer.ExecuteAsync("SELECT pg_promote()");
        await UntilMergedAsync(merger, _id, output, "AFTER");

        var host = new NpgsqlConnectionStringBuilder(_servers.Standby).Host;
        var promoted = new NpgsqlConnectionStringBuilder(_database.ConnectionString) { Host = host };
        var stored = await StoredAtLastAsync(promoted.ConnectionString);
        output.WriteLine($"{string.Join(", ", told.Values)}; stored {stored}");
        Assert.Contains("\"AFTER\"", stored, StringComparison.Ordinal);
        Assert.Contains("\"BEFORE\"", stored, StringComparison.Ordinal);
        Assert.All(told, entry => Assert.Empty(Lies(entry.Value, stored, entry.Key)));
    }

    private static Dictionary<string, string?> Set(string key) => new(StringComparer.Ordinal) { [key] = "1" };

    // Its server is gone, so it cannot roll back.
    private static async Task DropAsync(HeldLock holder)
    {
        try
        {
            await holder.DisposeAsync();
        }
        catch (NpgsqlException)
        {
        }
    }

    private static async Task<string?> StoredAtLastAsync(string connectionString)
    {
        await using var dataSource = NpgsqlDataSource.Create($"{connectionString};Pooling=false");
        await using var running = dataSource.CreateCommand(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'");
        var started = Stopwatch.GetTimestamp();
        while ((long)(await running.ExecuteScalarAsync())! > 0)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, "A session of a merge does not end.");
            await Task.Delay(10);
        }

        await using var env = dataSource.CreateCommand("SELECT env_vars::text FROM stacks");
        return (string?)await env.ExecuteScalarAsync();
    }

    private StackEnvMerger Merger(NpgsqlDataSource dataSource, bool withJournal = false) => new(
        dataSource, new() { Schema = _database.Schema, LockTimeout = TimeSpan.FromSeconds(20) },
        journals: withJournal ? [Journal.Silent] : []);
}
