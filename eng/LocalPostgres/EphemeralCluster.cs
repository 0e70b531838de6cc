using System.Diagnostics;
using Npgsql;

namespace StackEnv.LocalPostgres;

/// <summary>
/// A PostgreSQL of its own in a private folder, reached by a Unix socket inside it, so that no port can be taken. It lives as long as this
/// process holds a pipe open: <c>supervisor.sh</c>, which exists before the folder does, stops the server and removes the folder when the
/// pipe closes, and the kernel closes it however this process ends.
/// </summary>
internal sealed class EphemeralCluster : IAsyncDisposable
{
    private const long WantedBytes = 512L * 1024 * 1024;
    private const int LongestSocketPath = 103; // macOS; Linux allows 107 bytes
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(15);

    private readonly Process _supervisor;
    private readonly Task<string> _lastWords;

    private EphemeralCluster(Process supervisor, Task<string> lastWords, string folder)
    {
        _supervisor = supervisor;
        _lastWords = lastWords;
        Folder = folder;
        ConnectionString = new NpgsqlConnectionStringBuilder
        {
            // All four are given, because Npgsql would take what is missing from PGPORT, PGUSER and the like.
            Host = folder,
            Port = 5432,
            Username = "postgres",
            Database = "postgres",
        }.ConnectionString;
    }

    /// <summary>Its private folder: the server's data is in <c>data</c>.</summary>
    public string Folder { get; }

    public string ConnectionString { get; }

    /// <summary>Starts a cluster and waits until it answers.</summary>
    /// <param name="binaries">What it runs.</param>
    /// <param name="primaryFolder">
    /// The folder of a cluster of the same binaries that is down for the moment, to become its streaming standby; null for a new cluster.
    /// </param>
    /// <param name="durable">
    /// Whether a commit is on the disk when it is acknowledged, as in production; without that, commits are much faster.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="InvalidOperationException">It does not start; the message ends with what the server said.</exception>
    public static async Task<EphemeralCluster> StartAsync(
        ServerBinaries binaries, string? primaryFolder = null, bool durable = false, CancellationToken cancellationToken = default)
    {
        var supervisor = StartSupervisor(binaries, primaryFolder, durable);
        var folder = await supervisor.StandardOutput.ReadLineAsync(CancellationToken.None) ?? "";
        var cluster = new EphemeralCluster(supervisor, supervisor.StandardOutput.ReadToEndAsync(CancellationToken.None), folder);
        try
        {
            await cluster.WaitUntilReadyAsync(cancellationToken);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until the server answers.</summary>
    /// <exception cref="InvalidOperationException">It does not; the message ends with what the server said.</exception>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            if (_lastWords.IsCompleted)
            {
                throw new InvalidOperationException($"PostgreSQL did not start. It said:{Environment.NewLine}{await _lastWords}");
            }

            try
            {
                // Not pooled: no one uses this connection after this.
                await using var connection = new NpgsqlConnection(ConnectionString + ";Pooling=false");
                await connection.OpenAsync(cancellationToken);
                return;
            }
            catch (NpgsqlException exception)
            {
                if (Stopwatch.GetElapsedTime(started) > StartLimit)
                {
                    throw new InvalidOperationException($"PostgreSQL was started but does not answer: {exception.Message}", exception);
                }
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), cancellationToken);
        }
    }

    /// <summary>Stops the server and returns when it is gone and its folder with it.</summary>
    public async ValueTask DisposeAsync()
    {
        _supervisor.StandardInput.Close();
        try
        {
            await _lastWords.WaitAsync(StopLimit);
        }
        catch (TimeoutException)
        {
            // The supervisor goes on trying without us.
        }

        _supervisor.Dispose();
    }

    private static Process StartSupervisor(ServerBinaries binaries, string? primaryFolder, bool durable)
    {
        using var script = new StreamReader(typeof(EphemeralCluster).Assembly.GetManifestResourceStream("supervisor.sh")!);
        string[] command =
        [
            .. Detached(), .. ServerUser(), "sh", "-c", script.ReadToEnd(), "stackenv-postgres", binaries.Folder, primaryFolder ?? "",
            durable ? "durable" : "",
            .. FoldersToTry(durable),
        ];

        return Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            WorkingDirectory = "/", // the server's user may not be allowed into ours
            RedirectStandardInput = true, // the pipe that the supervisor watches
            RedirectStandardOutput = true, // all three redirected: a program that waits for our output to end must not wait for the server
            RedirectStandardError = true,
        })!;
    }

    // A session of its own keeps a terminal's Ctrl-C away; macOS has no setsid, and there it is enough that the script ignores the signals.
    // A parent that ends at once keeps it out of this process's descendants: `dotnet test --blame-hang` kills all of them, and then nothing
    // would clean up.
    private static string[] Detached() =>
        [.. HasTool("setsid") ? ["setsid"] : Array.Empty<string>(), "sh", "-c", "exec 3<&0; \"$@\" <&3 3<&- &", "sh"];

    // PostgreSQL refuses to run as root.
    private static string[] ServerUser()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return [];
        }

        if (!HasTool("setpriv"))
        {
            throw new InvalidOperationException(
                "PostgreSQL does not run as root, and there is no `setpriv` to drop to another user. Run this as a normal user.");
        }

        var accounts = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).Where(fields => fields.Length > 3).ToList();
        var account = accounts.Find(fields => fields[0] is "postgres") ?? accounts.Find(fields => fields[0] is "nobody")
            ?? throw new InvalidOperationException(
                "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`. Run this as a normal user.");
        return ["setpriv", $"--reuid={account[2]}", $"--regid={account[3]}", "--clear-groups"];
    }

    private static bool HasTool(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, name)));

    // Shared memory is several times faster, but a container's is often just 64 MB.
    private static IEnumerable<string> FoldersToTry(bool durable)
    {
        const string sharedMemory = "/dev/shm";
        string[] preferred = !durable && Directory.Exists(sharedMemory) && new DriveInfo(sharedMemory).AvailableFreeSpace >= WantedBytes
            ? [sharedMemory]
            : [];
        return preferred
            .Concat([Path.GetTempPath().TrimEnd('/'), "/tmp"])
            .Where(folder => folder.Length + "/stackenv-postgres.XXXXXX/.s.PGSQL.5432".Length <= LongestSocketPath)
            .Distinct(StringComparer.Ordinal);
    }
}
