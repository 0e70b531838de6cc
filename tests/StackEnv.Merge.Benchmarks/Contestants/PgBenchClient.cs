using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Npgsql;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>
/// PostgreSQL's own client, written in C, in pipeline mode: what could be reached at the best. It merges by itself, into keys that count its
/// transactions, so that the rows tell whether each was written.
/// </summary>
internal sealed partial class PgBenchClient
{
    private const string Counter = "PGBENCH";
    private const int FewestTransactions = 20;
    private const int MostTransactions = 5_000;

    private readonly string _program;
    private readonly Dictionary<PgBenchScript, double> _mergesPerSecond = [];

    private PgBenchClient(string program, IReadOnlyList<PgBenchScript> scripts)
    {
        _program = program;
        Scripts = scripts;
    }

    public IReadOnlyList<PgBenchScript> Scripts { get; }

    /// <summary>The program beside the server's own where that runs on this machine, else where the shell would find it; <see langword="null"/> where there is none.</summary>
    public static async Task<PgBenchClient?> FindAsync(StacksDatabase database)
    {
        await using var command = database.DataSource.CreateCommand("SELECT setting FROM pg_config WHERE name = 'BINDIR'");
        var program = ((string[])[(string)(await command.ExecuteScalarAsync())!, .. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)])
            .Select(static folder => Path.Combine(folder, "pgbench"))
            .FirstOrDefault(File.Exists);
        return program is null ? null : new(program, [PgBenchScript.BareUpdate, new("pgbench-library", "the library's statements, pgbench", await LibraryStatements.RecordAsync(database))]);
    }

    /// <summary>Finds out how fast each script is in this scenario, so that a run can be given a length.</summary>
    public async Task CalibrateAsync(string connectionString, Scenario scenario, StacksDatabase database)
    {
        foreach (var script in Scripts)
            _mergesPerSecond[script] = (await RunAsync(script, connectionString, scenario, database, FewestTransactions)).MergesPerSecond;
    }

    /// <summary>Runs a script for about this long.</summary>
    public Task<Slice> RunAsync(PgBenchScript script, string connectionString, Scenario scenario, StacksDatabase database, TimeSpan time)
    {
        var transactions = (int)(_mergesPerSecond[script] * time.TotalSeconds / scenario.Callers);
        return RunAsync(script, connectionString, scenario, database, Math.Clamp(transactions, FewestTransactions, MostTransactions));
    }

    private async Task<Slice> RunAsync(PgBenchScript pgBenchScript, string connectionString, Scenario scenario, StacksDatabase database, int transactions)
    {
        var rows = new ScenarioRows(scenario);
        await rows.ResetAsync(database);
        var folder = Directory.CreateTempSubdirectory("stackenv-pgbench-").FullName;
        try
        {
            var script = Path.Combine(folder, "script.sql");
            await File.WriteAllLinesAsync(script, [@"\set n :n + 1", @"\startpipeline", .. pgBenchScript.Statements.Select(statement => Fill(statement, scenario)), @"\endpipeline"]);
            var said = await RunAsync(connectionString, [
                "-n", "-M", scenario.Prepared ? "prepared" : "extended", "-D", "n=0", "-c", Text(scenario.Callers), "-j", Text(Math.Min(2, scenario.Callers)),
                "-t", Text(transactions), "-f", script, "-l", "--log-prefix", Path.Combine(folder, "log")]);
            var merges = (long)transactions * scenario.Callers;
            await VerifyAsync(rows, database, merges);
            var latencies = await LatenciesAsync(folder);
            var rate = double.Parse(Rate().Match(said).Groups["rate"].Value, CultureInfo.InvariantCulture);
            return new(
                merges,
                merges / rate,
                latencies.Quantile(0.5).TotalMilliseconds,
                latencies.Quantile(0.99).TotalMilliseconds,
                AllocatedBytes: null,
                ServerCpuMicroseconds: null);
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
        var row = scenario.Hot ? "0" : string.Create(CultureInfo.InvariantCulture, $":client_id::bigint * {scenario.TableRows} / {scenario.Callers}");
        return statement
            .Replace("$id", $"lpad(to_hex({row}), 32, '0')::uuid", StringComparison.Ordinal)
            .Replace("$changes", $$"""('{"{{Counter}}' || :client_id || '": "' || :n || '", "{{Counter}}_TURN": "' || :n || '"}')::jsonb""", StringComparison.Ordinal)
            .ReplaceLineEndings(" ") + ";";
    }

    private static async Task VerifyAsync(ScenarioRows rows, StacksDatabase database, long merges)
    {
        var envs = await database.EnvsAsync([.. rows.Callers.SelectMany(rows.RowsOf).Distinct()]);
        var counted = envs.Values
            .SelectMany(static env => JsonSerializer.Deserialize<Dictionary<string, string>>(env)!)
            .Where(static pair => pair.Key.StartsWith(Counter, StringComparison.Ordinal) && !pair.Key.EndsWith("_TURN", StringComparison.Ordinal))
            .Sum(static pair => long.Parse(pair.Value, CultureInfo.InvariantCulture));
        if (counted != merges)
            throw new WrongRowException($"The rows count {counted} of the {merges} merges of pgbench.");
    }

    // "client transaction microseconds script seconds microseconds"
    private static async Task<LatencyHistogram> LatenciesAsync(string folder)
    {
        var latencies = new LatencyHistogram();
        foreach (var log in Directory.EnumerateFiles(folder, "log*"))
        {
            await foreach (var line in File.ReadLinesAsync(log))
                latencies.Record(TimeSpan.FromMicroseconds(long.Parse(line.Split(' ')[2], CultureInfo.InvariantCulture)));
        }

        return latencies;
    }

    [SuppressMessage("Security", "CA3006", Justification = "The program is PostgreSQL's own, where the server says it is.")]
    private async Task<string> RunAsync(string connectionString, string[] arguments)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        var start = new ProcessStartInfo(_program, [.. arguments, settings.Database ?? "postgres"]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PGHOST"] = settings.Host;
        start.Environment["PGPORT"] = Text(settings.Port);
        start.Environment["PGUSER"] = settings.Username;
        start.Environment["PGPASSWORD"] = settings.Password;
        start.Environment["PGSSLMODE"] = "disable";
        start.Environment["PGGSSENCMODE"] = "disable";
        start.Environment["PGOPTIONS"] = $"-c search_path={settings.SearchPath}";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"pgbench failed: {await errors}");
    }

    [GeneratedRegex(@"tps = (?<rate>[\d.]+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Rate();
}
