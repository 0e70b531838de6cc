using Spectre.Console;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Load;
using StackEnv.Merge.Benchmarks.Network;

namespace StackEnv.Merge.Benchmarks;

/// <summary>What one command measures, and how thoroughly.</summary>
/// <param name="Sweeps">The contests.</param>
/// <param name="MergesOfDissection">How many merges of each contestant are dissected; 0 for none.</param>
/// <param name="RoundTripsOfDelayCheck">How many round trips the delay is checked with; 0 for none.</param>
/// <param name="RoundsOfNeighbours">How often a stack is measured beside one that is stuck; 0 for never.</param>
/// <param name="Effort">How long each contest takes.</param>
internal sealed record Suite(
    IReadOnlyList<Sweep> Sweeps, int MergesOfDissection, int RoundTripsOfDelayCheck, int RoundsOfNeighbours,
    Func<Scenario, Effort> Effort)
{
    private static readonly double[] Delays = [0, 0.5, 1, 5];

    /// <summary>Everything, for a moment each: every contestant in every kind of scenario.</summary>
    public static readonly Suite Smoke = new(
        [
            Sweep.Duel,
            Sweep.Latency.Where(static scenario => scenario.DelayMilliseconds is 0 or 1),
            Sweep.Callers.Where(static scenario => scenario.Callers is 1 or 8),
            Sweep.Size with { Scenarios = [Sweep.Size.Scenarios[0], Sweep.Size.Scenarios[^1]] },
            Sweep.Rows with { Scenarios = [.. Sweep.Rows.Scenarios.Take(2)] },
        ],
        MergesOfDissection: 500,
        RoundTripsOfDelayCheck: 50,
        RoundsOfNeighbours: 1,
        Load.Effort.Smoke);

    public static readonly Suite Full = new(
        Sweep.All, MergesOfDissection: 2_000, RoundTripsOfDelayCheck: 1_000, RoundsOfNeighbours: 7, Load.Effort.Full);

    /// <summary>What the thresholds need.</summary>
    public static readonly Suite Check = new(
        [
            Sweep.Duel,
            Sweep.Latency.Where(static scenario => scenario.DelayMilliseconds is 1),
            Sweep.Callers,
            Sweep.Far,
            Sweep.Size,
            Sweep.Rows,
        ],
        MergesOfDissection: 2_000,
        RoundTripsOfDelayCheck: 0,
        RoundsOfNeighbours: 7,
        Load.Effort.Full);

    private static readonly Suite Nothing = new(
        [], MergesOfDissection: 0, RoundTripsOfDelayCheck: 0, RoundsOfNeighbours: 0, Load.Effort.Full);

    public static Suite OfAllocations { get; } = Nothing with { MergesOfDissection = 2_000 };

    public static Suite OfDelay { get; } = Nothing with { RoundTripsOfDelayCheck = 1_000 };

    public static Suite OfNeighbours { get; } = Nothing with { RoundsOfNeighbours = 7 };

    public static Suite Of(Sweep sweep) => Nothing with { Sweeps = [sweep] };

    /// <summary>Measures all of it, behind a progress bar.</summary>
    public async Task<Results> RunAsync(StacksDatabase database, IReadOnlyList<Contestant> contestants, PgBenchClient? pgBench)
    {
        var results = new Results();
        await AnsiConsole.Progress()
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn(),
                new ElapsedTimeColumn())
            .StartAsync(async progress =>
            {
                var delay = RoundTripsOfDelayCheck > 0 ? progress.AddTask("The delay itself", maxValue: 1) : null;
                var contests = Sweeps.Select(sweep => (Sweep: sweep, Task: progress.AddTask(sweep.Title, maxValue: sweep.Scenarios.Count)))
                    .ToList();
                var neighbour = RoundsOfNeighbours > 0 ? progress.AddTask("Beside a stuck stack", maxValue: 1) : null;
                var dissection = MergesOfDissection > 0 ? progress.AddTask("Round trips and allocations", maxValue: 1) : null;

                if (delay is not null)
                {
                    results.Delay = await DelayCheck.RunAsync(database, Delays, RoundTripsOfDelayCheck);
                    delay.Increment(1);
                }

                foreach (var (sweep, task) in contests)
                {
                    await CompeteAsync(database, contestants, pgBench, sweep, results, task.Increment);
                }

                if (neighbour is not null)
                {
                    results.Neighbour = await NeighbourCheck.RunAsync(database, RoundsOfNeighbours);
                    neighbour.Increment(1);
                }

                // At the end, when the runtime has long compiled it all: code that is not optimized yet allocates more.
                if (dissection is not null)
                {
                    await DissectAsync(database, contestants, results, dissection.Increment);
                }
            });
        return results;
    }

    private async Task DissectAsync(
        StacksDatabase database, IReadOnlyList<Contestant> contestants, Results results, Action<double> progress)
    {
        var dissection = new Dissection(database, MergesOfDissection);
        results.DictionaryBytes = dissection.DictionaryBytes();
        results.Anatomies = await dissection.RunAsync(contestants, progress);
    }

    private async Task CompeteAsync(
        StacksDatabase database, IReadOnlyList<Contestant> contestants, PgBenchClient? pgBench, Sweep sweep, Results results,
        Action<double> progress)
    {
        results.Sweeps.Add(sweep);
        foreach (var scenario in sweep.Scenarios)
        {
            // Sweeps cross: what one has measured, another need not.
            if (results.Has(scenario))
            {
                progress(1);
            }
            else
            {
                results.Add(
                    await new Contest(
                        database, scenario, contestants, sweep.WithPgBench ? pgBench : null, Effort(scenario)).RunAsync(progress));
            }
        }
    }
}
