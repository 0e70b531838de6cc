using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>
/// PostgreSQL's own client, written in C, in pipeline mode: the best that can be reached. It merges by itself, into keys that count
/// its transactions, so that the rows show whether each was written.
/// </summary>
internal sealed class PgBenchClient
{
    private const string Counter = "PGBENCH";
    private const int FewestTransactions = 40;
    private const int MostTransactions = 5_000;

    private readonly string _program;
    private readonly Dictionary<PgBenchScript, double> _mergesPerSecond = [];

    private PgBenchClient(string program, IReadOnlyList<PgBenchScript> scripts)
    {
        _program = program;
        Scripts = scripts;
    }

    public IReadOnlyList<PgBenchScript> Scripts { get; }

    /// <summary>
    /// The program beside the server's own where that runs on this machine, else where the shell would find it; <see langword="null"/>
    /// where there is none.
    /// </summary>
    public static async Task<PgBenchClient?> FindAsync(StacksDatabase database)
    {
        await using var command = database.DataSource.CreateCommand("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        var program = folders.Prepend((string)(await command.ExecuteScalarAsync())!)
            .Select(static folder => Path.Combine(folder, "pgbench"))
            .FirstOrDefault(File.Exists);
        return program is null
            ? null
            : new(program, [PgBenchScript.BareUpdate, new("pgbench-library", await LibraryStatements.RecordAsync(database))]);
    }

    /// <summary>Finds out how fast each script is in this scenario, so that a run can be given a length.</summary>
    public async Task CalibrateAsync(string connectionString, Scenario scenario, StacksDatabase database)
    {
        foreach (var script in Scripts)
        {
            _mergesPerSecond[script] = (await RunAsync(script, connectionString, scenario, database, FewestTransactions)).MergesPerSecond;
        }
    }

    /// <summary>Runs a script for about this long.</summary>
    public Task<Slice> RunAsync(PgBenchScript script, string connectionString, Scenario scenario, StacksDatabase database, TimeSpan time)
    {
        var transactions = (int)(_mergesPerSecond[script] * time.TotalSeconds / scenario.Callers);
        return RunAsync(script, connectionString, scenario, database, Math.Clamp(transactions, FewestTransactions, MostTransactions));
    }

    private async Task<Slice> RunAsync(
        PgBenchScript pgBenchScript, string connectionString, Scenario scenario, StacksDatabase database, int transactions)
    {
        var rows = new ScenarioRows(scenario);
        await rows.ResetAsync(database);
        var folder = Directory.CreateTempSubdirectory("stackenv-pgbench-").FullName;
        try
        {
            var script = Path.Combine(folder, "script.sql");
            await File.WriteAllLinesAsync(
                script,
                [
                    @"\set n :n + 1",
                    @"\startpipeline",
                    .. pgBenchScript.Statements.Select(statement => Fill(statement, scenario)),
                    @"\endpipeline",
                ]);
            await RunAsync(connectionString, [
                "-n", "-M", scenario.Prepared ? "prepared" : "extended", "-D", "n=0", "-c", Text(scenario.Callers), "-j",
                Text(Math.Min(2, scenario.Callers)),
                "-t", Text(transactions), "-f", script, "-l", "--log-prefix", Path.Combine(folder, "log")]);
            await VerifyAsync(rows, database, (long)transactions * scenario.Callers);
            return await ReadLogsAsync(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    // The numbers of rows are those of StacksDatabase.IdOf and ScenarioRows.RowsOf.
    private static string Fill(string statement, Scenario scenario)
    {
        var row = scenario.Hot
            ? "0"
            : string.Create(CultureInfo.InvariantCulture, $":client_id::bigint * {scenario.TableRows} / {scenario.Callers}");
        return statement
            .Replace("$id", $"lpad(to_hex({row}), 32, '0')::uuid", StringComparison.Ordinal)
            .Replace(
                "$changes",
                $$"""('{"{{Counter}}' || :client_id || '": "' || :n || '", "{{Counter}}_TURN": "' || :n || '"}')::jsonb""",
                StringComparison.Ordinal)
            .ReplaceLineEndings(" ") + ";";
    }

    private static async Task VerifyAsync(ScenarioRows rows, StacksDatabase database, long merges)
    {
        var envs = await database.EnvsAsync([.. rows.Callers.SelectMany(rows.RowsOf).Distinct()]);
        var counted = envs.Values
            .SelectMany(static env => JsonSerializer.Deserialize<Dictionary<string, string>>(env)!)
            .Where(static pair => pair.Key.StartsWith(Counter, StringComparison.Ordinal) && !pair.Key.EndsWith(
                "_TURN", StringComparison.Ordinal))
            .Sum(static pair => long.Parse(pair.Value, CultureInfo.InvariantCulture));
        if (counted != merges)
        {
            throw new WrongRowException($"The rows count {counted} of the {merges} merges of pgbench.");
        }
    }

    // Counts what ended while all clients were running: after each had its first transaction, for which it prepares the statements, and
    // before any had its last.
    private static async Task<Slice> ReadLogsAsync(string folder)
    {
        // "client transaction microseconds script seconds microseconds"
        var ended = new List<(int Client, long Took, long At)>();
        foreach (var log in Directory.EnumerateFiles(folder, "log*"))
        {
            await foreach (var line in File.ReadLinesAsync(log))
            {
                long[] fields = [.. line.Split(' ').Select(static field => long.Parse(field, CultureInfo.InvariantCulture))];
                ended.Add(((int)fields[0], fields[2], (fields[4] * 1_000_000) + fields[5]));
            }
        }

        var clients = ended.GroupBy(static transaction => transaction.Client, static transaction => transaction.At).ToList();
        var (from, to) = (clients.Max(static client => client.Min()), clients.Min(static client => client.Max()));
        var latencies = Slice.NewHistogram();
        foreach (var (_, took, at) in ended)
        {
            if (at > from && at <= to)
            {
                latencies.RecordValue(TimeSpan.FromMicroseconds(took).Ticks);
            }
        }

        return Slice.Of(latencies, Math.Max(1, to - from) / 1e6, allocatedBytes: null, serverCpuMicroseconds: null);
    }

    [SuppressMessage("Security", "CA3006", Justification = "The program is PostgreSQL's own, where the server says it is.")]
    private async Task RunAsync(string connectionString, string[] arguments)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        var start = new ProcessStartInfo(_program, [.. arguments, settings.Database ?? "postgres"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PGHOST"] = settings.Host;
        start.Environment["PGPORT"] = Text(settings.Port);
        start.Environment["PGUSER"] = settings.Username;
        start.Environment["PGPASSWORD"] = settings.Password;
        start.Environment["PGSSLMODE"] = "disable";
        start.Environment["PGGSSENCMODE"] = "disable";
        start.Environment["PGOPTIONS"] = $"-c search_path={settings.SearchPath}";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await output;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"pgbench failed: {errors}");
        }
    }
}
