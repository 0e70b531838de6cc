using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// A pgpool-II in front of one test's servers, in streaming replication mode, reached by a Unix socket in a folder of its own. It ends with
/// <see cref="DisposeAsync"/>, or with this process: a shell that reads a pipe held by this process stops it when the pipe closes.
/// </summary>
internal sealed class Pgpool : IPooler
{
    /// <summary>How many clients it serves at the same time, unless a test asks for other settings.</summary>
    public const int Children = 32;

    private const int Port = 9999;
    private const string EnvironmentVariable = "STACKENV_PGPOOL";

    // Reads the configuration, then one command on each line: a signal, and whether it is for pgpool or for the children that serve its
    // sessions. pgpool and its PCP process release their shared memory only if they end by themselves, so they are killed only if they do
    // not. To the sessions it makes no difference: QUIT drops them at once.
    private const string Supervise =
        """
        trap '' HUP INT TERM
        umask 077
        folder=$(mktemp -d /tmp/stackenv-pgpool.XXXXXX) || exit
        exec 3<&0 </dev/null
        read -r lines <&3
        while [ "$lines" -gt 0 ] && IFS= read -r line <&3; do printf '%s\n' "$line"; lines=$((lines - 1)); done |
            sed "s|FOLDER|$folder|" >"$folder/pgpool.conf"
        : >"$folder/pcp.conf"
        : >"$folder/pool_hba.conf"
        "$1" -n -f "$folder/pgpool.conf" -F "$folder/pcp.conf" -a "$folder/pool_hba.conf" >"$folder/log" 2>&1 3<&- &
        pool=$!
        children() { cat "/proc/$pool/task/$pool/children" 2>/dev/null || ps -A -o pid=,ppid= | awk -v p="$pool" '$2 == p { print $1 }'; }
        serving() { for child in $(children); do grep -qa 'PCP\|worker\|health' "/proc/$child/cmdline" 2>/dev/null || echo "$child"; done; }
        echo "$folder"
        while read -r signal whom <&3; do
            case $whom in
                children) kill -s "$signal" $(serving) 2>/dev/null ;;
                *) kill -s "$signal" "$pool" 2>/dev/null ;;
            esac
            echo done
        done
        kill -s QUIT "$pool" 2>/dev/null
        tries=0
        while kill -s 0 "$pool" 2>/dev/null && [ "$tries" -lt 100 ]; do
            [ "$tries" -lt 20 ] || kill -s KILL $(serving) 2>/dev/null # it was told to wait for its sessions before
            sleep 0.1
            tries=$((tries + 1))
        done
        ! kill -s 0 "$pool" 2>/dev/null || kill -s KILL "$pool" $(children) 2>/dev/null
        wait "$pool"
        tail -n 40 "$folder/log"
        rm -rf -- "$folder"
        """;

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);
    private static readonly string[] KnownFolders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

    private readonly Process _supervisor;
    private readonly NpgsqlConnectionStringBuilder _settings;
    private string? _lastWords;

    private Pgpool(Process supervisor, NpgsqlConnectionStringBuilder settings) => (_supervisor, _settings) = (supervisor, settings);

    /// <param name="database">Whose schema its sessions open. Its server is the first backend.</param>
    /// <param name="standby">Opens the second backend. It then answers every query that pgpool does not send to the primary.</param>
    /// <param name="settings">Lines of its configuration, which win over those here.</param>
    public static async Task<Pgpool> StartAsync(TestDatabase database, string? standby = null, string settings = "")
    {
        string[] configuration = [.. Configuration(database.ConnectionString, standby), .. settings.Split('\n')];
        string[] command = [.. OwnSession(), .. OtherUser(), "sh", "-c", Supervise, "stackenv-pgpool", Program()];
        var supervisor = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            WorkingDirectory = "/",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        await supervisor.StandardInput.WriteLineAsync(configuration.Length.ToString(CultureInfo.InvariantCulture));
        await supervisor.StandardInput.WriteLineAsync(string.Join('\n', configuration));
        await supervisor.StandardInput.FlushAsync();
        var folder = await supervisor.StandardOutput.ReadLineAsync()
            ?? throw new InvalidOperationException(await supervisor.StandardError.ReadToEndAsync());

        var pooler = new Pgpool(supervisor, new(database.ConnectionString) { Host = folder, Port = Port, CancellationTimeout = 500 });
        await pooler.WaitUntilReadyAsync();
        return pooler;
    }

    public NpgsqlDataSource DataSource(Action<NpgsqlConnectionStringBuilder>? configure = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(_settings.ConnectionString);
        configure?.Invoke(settings);
        return NpgsqlDataSource.Create(settings.ConnectionString);
    }

    /// <summary>
    /// Sends a signal to pgpool: HUP reloads, TERM stops it once its sessions have ended, INT ends them first, QUIT drops them.
    /// </summary>
    public Task SignalAsync(string signal) => CommandAsync($"{signal} pgpool");

    /// <summary>Kills the processes that serve its sessions. pgpool itself stays up.</summary>
    public Task KillChildrenAsync() => CommandAsync("KILL children");

    public async Task<string> KillAsync()
    {
        if (_lastWords is null)
        {
            _supervisor.StandardInput.Close();
            _lastWords = await _supervisor.StandardOutput.ReadToEndAsync();
            await _supervisor.WaitForExitAsync();
        }

        return _lastWords;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _supervisor.Dispose();
    }

    private static string Program() =>
        ((string?[])
        [
            Environment.GetEnvironmentVariable(EnvironmentVariable),
            .. OnPath().Concat(KnownFolders).Select(static folder => Path.Combine(folder, "pgpool")),
        ])
            .FirstOrDefault(File.Exists)
        ?? throw new InvalidOperationException(
            "No pgpool-II was found. Install it with `apt-get install pgpool2` or `brew install pgpool-ii`, or set " +
            $"{EnvironmentVariable} to its path.");

    private static string[] OnPath() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    // A terminal's Ctrl-C does not reach it. macOS has no setsid; there it is enough that the script ignores the signals.
    private static string[] OwnSession() => OperatingSystem.IsLinux() ? ["setsid"] : [];

    // The socket of an ephemeral cluster is only for the server's own user.
    private static string[] OtherUser()
    {
        if (!Environment.IsPrivilegedProcess)
        {
            return [];
        }

        var accounts = File.ReadLines("/etc/passwd").Select(static line => line.Split(':')).ToDictionary(
            static fields => fields[0], StringComparer.Ordinal);
        var account = accounts.GetValueOrDefault("postgres") ?? accounts["nobody"];
        return ["setpriv", $"--reuid={account[2]}", $"--regid={account[3]}", "--clear-groups"];
    }

    private static IEnumerable<string> Configuration(string primary, string? standby)
    {
        yield return "backend_clustering_mode = 'streaming_replication'";
        yield return "listen_addresses = ''";
        yield return $"port = {Port}";
        yield return "socket_dir = 'FOLDER'";
        yield return "unix_socket_directories = 'FOLDER'"; // the same since 4.4
        yield return "pcp_listen_addresses = ''";
        yield return "pcp_socket_dir = 'FOLDER'";
        yield return "pid_file_name = 'FOLDER/pgpool.pid'";
        yield return "logdir = 'FOLDER'";
        yield return "work_dir = 'FOLDER'";
        yield return $"num_init_children = {Children}";
        yield return "max_pool = 1";
        yield return "memqcache_total_size = 1MB"; // reserved even if it is off
        yield return "memqcache_max_num_cache = 1000";
        yield return "search_primary_node_timeout = 5";
        yield return "sr_check_period = 1";
        yield return "sr_check_user = 'postgres'";
        yield return "sr_check_database = 'postgres'";
        yield return "health_check_user = 'postgres'";
        yield return "health_check_database = 'postgres'";
        yield return "pcp_port = 9898";
        string[] servers = standby is null ? [primary] : [primary, standby];
        for (var node = 0; node < servers.Length; node++)
        {
            var server = new NpgsqlConnectionStringBuilder(servers[node]);
            yield return string.Create(CultureInfo.InvariantCulture, $"backend_hostname{node} = '{server.Host}'");
            yield return string.Create(CultureInfo.InvariantCulture, $"backend_port{node} = {server.Port}");
            yield return string.Create(CultureInfo.InvariantCulture, $"backend_weight{node} = {node + (servers.Length == 1 ? 1 : 0)}");
            yield return string.Create(CultureInfo.InvariantCulture, $"backend_data_directory{node} = 'FOLDER'");
        }
    }

    private async Task CommandAsync(string command)
    {
        await _supervisor.StandardInput.WriteLineAsync(command);
        await _supervisor.StandardInput.FlushAsync();
        await _supervisor.StandardOutput.ReadLineAsync();
    }

    private async Task WaitUntilReadyAsync()
    {
        var server = ServerSocket.EndPointOf(_settings.ConnectionString);
        var started = Stopwatch.GetTimestamp();
        while (!await AcceptsAsync(server))
        {
            if (_supervisor.HasExited || Stopwatch.GetElapsedTime(started) > StartLimit)
            {
                throw new InvalidOperationException($"pgpool-II did not start. It said: {await KillAsync()}");
            }

            await Task.Delay(10);
        }
    }

    // The socket exists a moment before pgpool listens to it.
    private static async Task<bool> AcceptsAsync(EndPoint server)
    {
        using var socket = ServerSocket.NewFor(server);
        try
        {
            await socket.ConnectAsync(server);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
