using System.Reflection;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Running;
using Spectre.Console;
using StackEnv.LocalPostgres;
using StackEnv.Merge.Benchmarks;
using StackEnv.Merge.Benchmarks.CommandLine;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Load;
using StackEnv.Merge.Benchmarks.Report;

try
{
    if (args is ["benchmarkdotnet", ..])
    {
        BenchmarkSwitcher.FromTypes([typeof(MergeBenchmarks)])
            .Run(args[1..], DefaultConfig.Instance.WithArtifactsPath(Path.Combine(Folder(given: null), "benchmarkdotnet")));
        return 0;
    }

    var arguments = new Arguments(args);
    if (arguments.Command is "help")
    {
        Console.WriteLine(Arguments.Help);
        return 0;
    }

    return await MeasureAsync(arguments) ? 0 : 1;
}
catch (Exception failure) when (failure is FormatException or WrongRowException)
{
    await Console.Error.WriteLineAsync(failure.Message);
    return 2;
}

static string Folder(string? given) => given ?? Path.Combine(
    typeof(Suite).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(static attribute => attribute.Key is "RepositoryRoot").Value!, "artifacts", "performance");

static async Task<bool> MeasureAsync(Arguments arguments)
{
    var suite = arguments.Command switch
    {
        "smoke" => Suite.Smoke,
        "full" => Suite.Full,
        "check" => Suite.Check,
        "allocations" => Suite.OfAllocations,
        "proxy" => Suite.OfDelay,
        "neighbours" => Suite.OfNeighbours,
        "contest" => Suite.Of(arguments.Contest),
        var name =>
            Suite.Of(Sweep.All.FirstOrDefault(sweep => sweep.Name == name)
                ?? throw new FormatException($"There is no command {name}. --help shows those that there are.")),
    };
    if (arguments.Rounds is { } rounds)
    {
        suite = suite with { Effort = scenario => Effort.Full(scenario) with { Rounds = rounds } };
    }

    Screen.Prepare();
    await using var server = await PostgresServer.FindOrStartAsync(arguments.IsDurable);
    await using var database = await StacksDatabase.CreateAsync(server);
    var environment = await MachineDescription.WriteAsync(server, database);
    AnsiConsole.MarkupLineInterpolated($"[grey]{environment}[/]");
    var pgBench = arguments.WithPgBench ? await PgBenchClient.FindAsync(database) : null;
    if (arguments.WithPgBench && pgBench is null)
    {
        AnsiConsole.MarkupLine("[yellow]pgbench is neither beside the server nor on the PATH: it does not compete.[/]");
    }

    var results = await suite.RunAsync(database, arguments.Contestants, pgBench);
    if (arguments.Command is not "smoke")
    {
        Screen.Show(results);
    }

    if (arguments.Command is "allocations")
    {
        // Once more, alone and while the runtime is asked for samples, which costs something itself.
        using var allocations = new AllocationSampler();
        await suite.RunAsync(database, [Contestant.Library], pgBench: null);
        Screen.Show(allocations.Shares);
    }

    Threshold[] thresholds =
        [.. Thresholds.OfAnatomy(results), .. arguments.Command is "full" or "check" or "neighbours" ? Thresholds.OfSpeed(results) : []];
    Screen.ShowVerified(results);
    var allMet = Screen.Show(thresholds);
    new Tables(Folder(arguments.Out), environment).Write(results, thresholds);
    new Plots(Folder(arguments.Images ?? arguments.Out)).Draw(results);
    return allMet;
}
