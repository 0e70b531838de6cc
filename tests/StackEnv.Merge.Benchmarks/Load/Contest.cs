using Npgsql;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Network;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Lets contestants take turns in one scenario, on the same rows, with the same settings of their data sources.</summary>
internal sealed class Contest(StacksDatabase database, Scenario scenario, IReadOnlyList<Contestant> contestants, Effort effort)
{
    private readonly ScenarioRows _rows = new(scenario);

    /// <summary>Runs all rounds.</summary>
    /// <param name="progress">Takes the share of the whole that is done of the whole.</param>
    public async Task<ContestResult> RunAsync(Action<double> progress)
    {
        await database.FillAsync(scenario.TableRows);
        await using var proxy = scenario.DelayMilliseconds > 0 ? DelayProxy.InFrontOf(database.ConnectionString, TimeSpan.FromMilliseconds(scenario.DelayMilliseconds)) : null;
        var connectionString = proxy?.Reroute(ConnectionString()) ?? ConnectionString();
        var seats = new List<Seat>();
        try
        {
            foreach (var contestant in contestants)
                seats.Add(new(contestant, database, connectionString));
            await RunAsync(seats, progress);
        }
        finally
        {
            foreach (var seat in seats)
                await seat.DisposeAsync();
        }

        return new(scenario, seats.ToDictionary(static seat => seat.Contestant.Name, static seat => (IReadOnlyList<Slice>)seat.Slices));
    }

    private async Task RunAsync(List<Seat> seats, Action<double> progress)
    {
        var share = 1d / (seats.Count * (effort.Rounds + 1));
        foreach (var seat in seats)
        {
            var callers = await _rows.ResetAsync(database);
            await TakeTurnAsync(seat, callers, effort.FirstWarmUp, new());
            progress(share);
        }

        for (var round = 0; round < effort.Rounds; round++)
        {
            var callers = await _rows.ResetAsync(database);
            var tallies = seats.ConvertAll(static _ => new Tally());
            for (var turn = 0; turn < effort.Turns; turn++)
            {
                // Each time in another order, so that nobody always comes behind the same one.
                foreach (var seat in Enumerable.Range(0, seats.Count).OrderBy(seat => (seat + turn + round) % seats.Count))
                    await TakeTurnAsync(seats[seat], callers, effort.WarmUp, tallies[seat]);
            }

            for (var seat = 0; seat < seats.Count; seat++)
                seats[seat].Slices.Add(tallies[seat].ToSlice());
            progress(share * seats.Count);
        }
    }

    private async Task TakeTurnAsync(Seat seat, IReadOnlyList<Caller> callers, TimeSpan warmUp, Tally tally)
    {
        await seat.Load.RunAsync(callers, warmUp, effort.Window, tally);
        await _rows.VerifyAsync(database, callers);
    }

    private string ConnectionString() => new NpgsqlConnectionStringBuilder(database.ConnectionString)
    {
        MaxAutoPrepare = scenario.Prepared ? 50 : 0,
        MaxPoolSize = scenario.Callers + 1,
        SslMode = SslMode.Disable,
        GssEncryptionMode = GssEncryptionMode.Disable,
    }.ConnectionString;

    private sealed class Seat(Contestant contestant, StacksDatabase database, string connectionString) : IAsyncDisposable
    {
        private readonly IContestant _contestant = contestant.Create(connectionString);

        public Contestant Contestant => contestant;

        public List<Slice> Slices { get; } = [];

        public CallerLoad Load => field ??= new(_contestant, database);

        public ValueTask DisposeAsync() => _contestant.DisposeAsync();
    }
}
