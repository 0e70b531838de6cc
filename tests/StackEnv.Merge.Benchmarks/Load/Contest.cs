using Npgsql;
using StackEnv.Merge.Benchmarks.Contestants;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Lets contestants take turns in one scenario, on the same rows, with the same settings of their data sources.</summary>
internal sealed class Contest(StacksDatabase database, Scenario scenario, IReadOnlyList<Contestant> contestants, Effort effort)
{
    private readonly ScenarioRows _rows = new(scenario);

    /// <summary>Runs all rounds.</summary>
    /// <param name="progress">Takes the share that each turn is of the whole.</param>
    public async Task<ContestResult> RunAsync(Action<double> progress)
    {
        await database.FillAsync(scenario.TableRows);
        var turns = new List<Turn>();
        try
        {
            foreach (var contestant in contestants)
                turns.Add(new(contestant, database, ConnectionString()));
            await RunAsync(turns, progress);
        }
        finally
        {
            foreach (var turn in turns)
                await turn.DisposeAsync();
        }

        return new(scenario, turns.ToDictionary(static turn => turn.Contestant.Name, static turn => (IReadOnlyList<Slice>)turn.Slices));
    }

    private async Task RunAsync(List<Turn> turns, Action<double> progress)
    {
        var share = 1d / (turns.Count * (effort.Rounds + 1));
        foreach (var turn in turns)
        {
            await TakeAsync(turn, effort.FirstWarmUp, effort.Window);
            turn.Slices.Clear();
            progress(share);
        }

        for (var round = 0; round < effort.Rounds; round++)
        {
            // Each round in another order, so that nobody always comes behind the same one.
            foreach (var turn in turns.Index().OrderBy(turn => (turn.Index + round) % turns.Count).Select(static turn => turn.Item))
            {
                await TakeAsync(turn, effort.WarmUp, effort.Window);
                progress(share);
            }
        }
    }

    private async Task TakeAsync(Turn turn, TimeSpan warmUp, TimeSpan window)
    {
        var callers = await _rows.ResetAsync(database);
        turn.Slices.Add(await turn.Load.RunAsync(callers, warmUp, window));
        await _rows.VerifyAsync(database, callers);
    }

    private string ConnectionString() => new NpgsqlConnectionStringBuilder(database.ConnectionString)
    {
        MaxAutoPrepare = scenario.Prepared ? 50 : 0,
        MaxPoolSize = scenario.Callers + 1,
        SslMode = SslMode.Disable,
        GssEncryptionMode = GssEncryptionMode.Disable,
    }.ConnectionString;

    private sealed class Turn(Contestant contestant, StacksDatabase database, string connectionString) : IAsyncDisposable
    {
        private readonly IContestant _contestant = contestant.Create(connectionString);

        public Contestant Contestant => contestant;

        public List<Slice> Slices { get; } = [];

        public CallerLoad Load => field ??= new(_contestant, database);

        public ValueTask DisposeAsync() => _contestant.DisposeAsync();
    }
}
