using System.Diagnostics;
using System.Globalization;
using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Testing;

/// <summary>
/// A PostgreSQL of the test's own, of installed server binaries, that can be stopped, started again with the same data behind the same
/// socket, and given a streaming standby. It vanishes with this process, however that ends.
/// </summary>
public sealed class RestartableCluster : IAsyncDisposable
{
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan CountLimit = TimeSpan.FromSeconds(60);

    private readonly ServerBinaries _binaries;
    private readonly EphemeralCluster _cluster;

    private RestartableCluster(ServerBinaries binaries, EphemeralCluster cluster)
    {
        _binaries = binaries;
        _cluster = cluster;
    }

    /// <summary>Opens the database <c>postgres</c> as a superuser. The same as long as the cluster lives.</summary>
    public string ConnectionString => _cluster.ConnectionString;

    /// <exception cref="InvalidOperationException">There are no server binaries; the message says how to get them.</exception>
    public static async Task<RestartableCluster> StartAsync()
    {
        var binaries = await ServerBinaries.FindConfiguredAsync(CancellationToken.None)
            ?? await ServerBinaries.FindNewestAsync(CancellationToken.None)
            ?? throw new InvalidOperationException(Installation.AdviceOnServerBinaries());
        return new(binaries, await EphemeralCluster.StartAsync(binaries));
    }

    /// <summary>Starts a cluster with the table of stacks and one stack in it, and a standby that streams from it.</summary>
    public static async Task<(RestartableCluster Primary, RestartableCluster Standby, Guid Stack)> StartPairAsync()
    {
        var primary = await StartAsync();
        await using var setUp = NpgsqlDataSource.Create($"{primary.ConnectionString};Pooling=false");
        await StacksTable.CreateAsync(setUp);
        var stack = await StacksTable.InsertAsync(setUp, "shop");
        return (primary, await primary.StartStandbyAsync(), stack);
    }

    /// <summary>
    /// Starts a cluster that streams from this one and answers queries. <c>SELECT pg_promote()</c> makes it a primary. This cluster is
    /// stopped for the copy and started again, so every connection to it is lost.
    /// </summary>
    public async Task<RestartableCluster> StartStandbyAsync()
    {
        // A standby that was down for a while still finds here what it has missed.
        await ExecuteAsync("ALTER SYSTEM SET wal_keep_size = '128MB'");
        await StopAsync(ShutdownMode.Fast);
        try
        {
            return new(_binaries, await EphemeralCluster.StartAsync(_binaries, _cluster.Folder));
        }
        finally
        {
            await StartAgainAsync();
        }
    }

    /// <summary>Stops the server and returns when it is gone.</summary>
    public async Task StopAsync(ShutdownMode mode)
    {
        await File.WriteAllBytesAsync(InFolder("hold"), []);
        await ShellAsync($"kill -s {(mode == ShutdownMode.Fast ? "INT" : "QUIT")} \"$0\"", PostmasterId());
        var stopping = Stopwatch.GetTimestamp();
        while (!File.Exists(InFolder("held")))
        {
            Assert.True(Stopwatch.GetElapsedTime(stopping) < StopLimit, "The server did not stop.");
            await Task.Delay(TimeSpan.FromMilliseconds(5));
        }
    }

    /// <summary>Starts a server that was stopped, and returns when it answers.</summary>
    public async Task StartAgainAsync()
    {
        File.Delete(InFolder("held"));
        await WaitUntilReadyAsync();
    }

    /// <summary>
    /// Ends one server process without a chance to say or do anything. The server then ends all others and recovers by itself.
    /// </summary>
    /// <remarks>When this returns the server has noticed; <see cref="WaitUntilReadyAsync"/> waits for its recovery.</remarks>
    /// <param name="processId">What <c>pg_backend_pid()</c> says in the session.</param>
    public static Task KillBackendAsync(int processId) =>
        ShellAsync("kill -s KILL \"$0\" && while kill -s 0 \"$0\" 2>/dev/null; do sleep 0.01; done", processId);

    /// <summary>
    /// Stops one server process until <see cref="ThawBackendAsync"/>: its connection stays open, and it does not answer.
    /// </summary>
    public static Task FreezeBackendAsync(int processId) => ShellAsync("kill -s STOP \"$0\"", processId);

    /// <summary>Lets a frozen server process go on.</summary>
    public static Task ThawBackendAsync(int processId) => ShellAsync("kill -s CONT \"$0\"", processId);

    /// <summary>Waits until the server answers.</summary>
    public Task WaitUntilReadyAsync() => _cluster.WaitUntilReadyAsync(CancellationToken.None);

    /// <summary>Runs a statement on a connection of its own, which is closed again.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection($"{ConnectionString};Pooling=false");
        await connection.OpenAsync();
#pragma warning disable CA2100 // The SQL is the tests' own.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Waits until a query counts something.</summary>
    public async Task UntilAsync(string count)
    {
        await using var dataSource = NpgsqlDataSource.Create($"{ConnectionString};Pooling=false");
#pragma warning disable CA2100 // The SQL is the tests' own.
        await using var command = dataSource.CreateCommand(count);
#pragma warning restore CA2100
        var startedAt = Stopwatch.GetTimestamp();
        while ((long)(await command.ExecuteScalarAsync())! == 0)
        {
            Assert.True(Stopwatch.GetElapsedTime(startedAt) < CountLimit, $"It did not come to this: {count}");
            await Task.Delay(TimeSpan.FromMilliseconds(20));
        }
    }

    /// <summary>The server's own log.</summary>
    public async Task<string> ReadLogAsync()
    {
        await using var log = new FileStream(InFolder("log"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(log);
        return await reader.ReadToEndAsync();
    }

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    private static async Task ShellAsync(string script, int processId)
    {
        // To `kill`, 0 and below are whole groups of processes, this one's among them.
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(processId);
        using var shell = Process.Start("sh", ["-c", script, processId.ToString(CultureInfo.InvariantCulture)]);
        await shell.WaitForExitAsync();
        Assert.True(shell.ExitCode == 0, $"`{script}` failed for process {processId}.");
    }

    private int PostmasterId() =>
        int.Parse(File.ReadLines(InFolder(Path.Combine("data", "postmaster.pid"))).First(), CultureInfo.InvariantCulture);

    private string InFolder(string path) => Path.Combine(_cluster.Folder, path);
}
