using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// A PgBouncer of its own in transaction mode, between the mergers of one test and its schema, reached by a Unix socket in a folder of its
/// own. It ends with <see cref="DisposeAsync"/>, or with this process: a shell that reads a pipe held by this process kills it when the
/// pipe closes.
/// </summary>
internal sealed class PgBouncer : IPooler
{
    /// <summary>How many sessions of the server all clients share, unless a test asks for other settings.</summary>
    public const int PoolSize = 3;

    private const int Port = 6432;

    private const string Supervise =
        """
        trap '' HUP INT TERM
        umask 077
        folder=$(mktemp -d /tmp/stackenv-pgbouncer.XXXXXX) || exit
        [ -z "$2" ] || chown "$2" "$folder"
        exec 3<&0 </dev/null
        read -r lines <&3
        while [ "$lines" -gt 0 ] && IFS= read -r line <&3; do printf '%s\n' "$line"; lines=$((lines - 1)); done |
            sed "s|FOLDER|$folder|" >"$folder/pgbouncer.ini"
        "$1" ${2:+-u "$2"} "$folder/pgbouncer.ini" >"$folder/log" 2>&1 3<&- &
        echo "$folder"
        read -r _ <&3
        kill -s KILL $!
        wait $!
        tail -n 5 "$folder/log"
        rm -rf -- "$folder"
        """;

    // A terminal's Ctrl-C does not reach it. macOS has no setsid; there it is enough that the script ignores the signals.
    private static readonly string[] OwnSession = OperatingSystem.IsLinux() ? ["setsid"] : [];

    // PgBouncer refuses to run as root. The server's own user may use the socket of an ephemeral cluster.
    private static readonly string OtherUser = !Environment.IsPrivilegedProcess ? ""
        : File.ReadLines("/etc/passwd")
            .Any(static account => account.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody";

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);

    private readonly Process _supervisor;
    private readonly NpgsqlConnectionStringBuilder _settings;

    private PgBouncer(Process supervisor, NpgsqlConnectionStringBuilder settings) => (_supervisor, _settings) = (supervisor, settings);

    /// <param name="program">Which PgBouncer to run.</param>
    /// <param name="database">Whose server is behind it.</param>
    /// <param name="settings">Lines of its configuration, which win over those here.</param>
    /// <param name="server">The server behind it, where it is to be another than the database's.</param>
    public static async Task<PgBouncer> StartAsync(
        PgBouncerProgram program, TestDatabase database, string settings = "", string? server = null)
    {
        string[] configuration = [.. Configuration(program, database, server), .. settings.Split('\n')];
        string[] command = [.. OwnSession, "sh", "-c", Supervise, "stackenv-pgbouncer", program.Path, OtherUser];
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

        var pooler = new PgBouncer(supervisor, new()
        {
            Host = folder,
            Port = Port,
            Database = "stacks",
            Username = "anyone",
            ApplicationName = database.Schema,
            IncludeErrorDetail = true,
            MaxPoolSize = 40,
            NoResetOnClose = true,
        });
        await pooler.WaitUntilReadyAsync();
        return pooler;
    }

    /// <summary>A data source that goes through it, with the settings that PgBouncer in transaction mode needs.</summary>
    public NpgsqlDataSource DataSource(Action<NpgsqlConnectionStringBuilder>? configure = null)
    {
        var settings = new NpgsqlConnectionStringBuilder(_settings.ConnectionString);
        configure?.Invoke(settings);
        return NpgsqlDataSource.Create(settings.ConnectionString);
    }

    /// <summary>Runs a command of its admin console.</summary>
    public Task RunAsync(string command) => PgBouncerConsole.RunAsync(_settings.ConnectionString, command);

    /// <summary>Kills it, as a crash would, and returns when it is gone.</summary>
    public async Task<string> KillAsync()
    {
        _supervisor.StandardInput.Close();
        var lastWords = await _supervisor.StandardOutput.ReadToEndAsync();
        await _supervisor.WaitForExitAsync();
        return lastWords;
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _supervisor.Dispose();
    }

    private static IEnumerable<string> Configuration(PgBouncerProgram program, TestDatabase database, string? server)
    {
        var behind = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        server ??= $"host={behind.Host} port={behind.Port} dbname={behind.Database ?? behind.Username}";
        var password = behind.Password is { Length: > 0 } secret ? $"password='{secret}'" : "";
        yield return "[databases]";
        yield return $"stacks = {server} user={behind.Username} {password}";
        yield return "[pgbouncer]";
        yield return $"listen_port = {Port}";
        yield return "unix_socket_dir = FOLDER";
        yield return "auth_type = any";
        yield return "admin_users = anyone";
        yield return "pool_mode = transaction";
        yield return $"default_pool_size = {PoolSize}";
        yield return "max_client_conn = 200";
        if (program.FollowsPreparedStatements)
        {
            yield return "max_prepared_statements = 200";
        }
    }

    private async Task WaitUntilReadyAsync()
    {
        var server = ServerSocket.EndPointOf(_settings.ConnectionString);
        var started = Stopwatch.GetTimestamp();
        while (!Accepts(server))
        {
            if (_supervisor.HasExited || Stopwatch.GetElapsedTime(started) > StartLimit)
            {
                throw new InvalidOperationException($"PgBouncer did not start. It said: {await KillAsync()}");
            }

            await Task.Delay(5);
        }
    }

    // The socket exists a moment before PgBouncer listens to it.
    private static bool Accepts(EndPoint server)
    {
        using var socket = ServerSocket.NewFor(server);
        try
        {
            socket.Connect(server);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
