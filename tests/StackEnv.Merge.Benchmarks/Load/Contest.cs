using System.Globalization;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Network;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Lets contestants take turns in one scenario, on the same rows, with the same settings of their data sources.</summary>
/// <param name="database">Where the rows are.</param>
/// <param name="scenario">The circumstances.</param>
/// <param name="contestants">The contestants.</param>
/// <param name="pgBench">PostgreSQL's own client, if that competes too.</param>
/// <param name="effort">How long.</param>
internal sealed class Contest(
    StacksDatabase database, Scenario scenario, IReadOnlyList<Contestant> contestants, PgBenchClient? pgBench, Effort effort)
{
    // The server allows some 300. A lock takes a second connection.
    private const int MostConnections = 200;

    private readonly ScenarioRows _rows = new(scenario);
    private readonly Random _draw = new(Seed: 1);
    private readonly bool _isCrowded = scenario.Callers * (contestants.Count + 1) > MostConnections;

    /// <summary>Runs all rounds.</summary>
    /// <param name="progress">Takes each further share of the whole that is done.</param>
    public async Task<ContestResult> RunAsync(Action<double> progress)
    {
        await database.FillAsync(scenario.TableRows);
        using var proxy = scenario.DelayMilliseconds > 0
            ? DelayProxy.InFrontOf(database.ConnectionString, TimeSpan.FromMilliseconds(scenario.DelayMilliseconds))
            : null;
        var connectionString = proxy?.Reroute(ConnectionString()) ?? ConnectionString();
        var seats = contestants.Select(contestant => new Seat(contestant, database, connectionString)).ToList();
        var bySlices = seats.ToDictionary(static seat => seat.Contestant.Name, static seat => seat.Slices);
        foreach (var script in pgBench?.Scripts ?? [])
        {
            bySlices.Add(script.Name, []);
        }

        try
        {
            await WarmUpAsync(seats, connectionString);
            progress(1d / (effort.Rounds + 1));
            for (var round = 0; round < effort.Rounds; round++)
            {
                await RunRoundAsync(seats);
                foreach (var script in pgBench?.Scripts ?? [])
                {
                    bySlices[script.Name].Add(
                        await pgBench!.RunAsync(script, connectionString, scenario, database, effort.Window * effort.Turns));
                }

                progress(1d / (effort.Rounds + 1));
            }
        }
        finally
        {
            foreach (var seat in seats)
            {
                await seat.DisposeAsync();
            }
        }

        return new(scenario, bySlices.ToDictionary(static pair => pair.Key, static pair => (IReadOnlyList<Slice>)pair.Value));
    }

    private async Task WarmUpAsync(List<Seat> seats, string connectionString)
    {
        foreach (var seat in seats)
        {
            await TakeTurnAsync(seat, await _rows.ResetAsync(database), effort.FirstWarmUp, new());
        }

        if (pgBench is not null)
        {
            await pgBench.CalibrateAsync(connectionString, scenario, database);
        }
    }

    private async Task RunRoundAsync(List<Seat> seats)
    {
        var callers = await _rows.ResetAsync(database);
        var tallies = seats.ConvertAll(static _ => new Tally());
        var order = Enumerable.Range(0, seats.Count).ToArray();
        for (var turn = 0; turn < effort.Turns; turn++)
        {
            // Each time in another order, so that none always follows the same one.
            _draw.Shuffle(order);
            foreach (var seat in order)
            {
                await TakeTurnAsync(seats[seat], callers, effort.WarmUp, tallies[seat]);
            }
        }

        for (var seat = 0; seat < seats.Count; seat++)
        {
            seats[seat].Slices.Add(tallies[seat].ToSlice());
        }
    }

    private async Task TakeTurnAsync(Seat seat, IReadOnlyList<Caller> callers, TimeSpan warmUp, Tally tally)
    {
        try
        {
            await seat.Load.RunAsync(callers, warmUp, effort.Window, tally);
            await _rows.VerifyAsync(database, callers);
        }
        catch (WrongRowException wrong)
        {
            throw new WrongRowException(
                string.Create(CultureInfo.InvariantCulture, $"{seat.Contestant.Name} ({scenario}): {wrong.Message}"));
        }

        if (_isCrowded)
        {
            await seat.LeaveAsync();
        }
    }

    private string ConnectionString() => database.ConnectionStringWith(scenario.Prepared, scenario.Callers);
}
