using BenchmarkDotNet.Attributes;
using StackEnv.LocalPostgres;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks;

/// <summary>One caller's merges, for BenchmarkDotNet.</summary>
[MemoryDiagnoser]
[InProcess]
public class MergeBenchmarks
{
    private static readonly Scenario OneCaller = new();

    private PostgresServer? _server;
    private StacksDatabase? _database;
    private IContestant? _contestant;
    private Caller? _caller;

    /// <summary>Who merges.</summary>
    [ParamsSource(nameof(Contestants))]
    public string Contestant { get; set; } = "";

    /// <summary>Whether the data source prepares statements.</summary>
    [Params(true, false)]
    public bool Prepared { get; set; }

    public static IEnumerable<string> Contestants => Benchmarks.Contestants.Contestant.All.Select(static contestant => contestant.Name);

    [GlobalSetup]
    public async Task SetUpAsync()
    {
        _server = await PostgresServer.FindOrStartAsync(durable: true);
        _database = await StacksDatabase.CreateAsync(_server);
        await _database.FillAsync(OneCaller.TableRows);
        _caller = (await new ScenarioRows(OneCaller).ResetAsync(_database))[0];
        _contestant = Benchmarks.Contestants.Contestant.All.Single(contestant => contestant.Name == Contestant)
            .Create(_database.ConnectionStringWith(Prepared, OneCaller.Callers));
    }

    [GlobalCleanup]
    public async Task CleanUpAsync()
    {
        await new ScenarioRows(OneCaller).VerifyAsync(_database!, [_caller!]);
        await _contestant!.DisposeAsync();
        await _database!.DisposeAsync();
        await _server!.DisposeAsync();
    }

    [Benchmark]
    public async Task Merge() => _caller!.Merged(await _contestant!.MergeAsync(_caller.NextRow, _caller.NextChanges()));
}
