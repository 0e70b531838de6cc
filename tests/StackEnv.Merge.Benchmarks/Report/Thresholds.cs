using System.Globalization;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>What the library has to reach.</summary>
internal static class Thresholds
{
    // Bytes of what hears the server's notices during COMMIT, names the keys that changed, and keeps the result from being changed.
    private const int Watching = 384;

    private const string Library = "library";
    private const string Bare = "bare";

    private static readonly Scenario AtEightCallers = new() { DelayMilliseconds = 1, Callers = 8, Keys = Sweep.KeysOfAHotRow };

    /// <summary>What every machine shows, however busy it is.</summary>
    public static IEnumerable<Threshold> OfAnatomy(Results results)
    {
        foreach (var prepared in new[] { true, false })
        {
            if (results.Anatomy(Library, prepared) is not { } library || results.Anatomy("bare", prepared) is not { } bare)
            {
                continue;
            }

            var statements = prepared ? "prepared" : "unprepared";
            yield return AtMost($"round trips of a merge, {statements}", library.RoundTrips, 1);
            yield return AtMost(
                $"bytes allocated by a merge, {statements}: twice those of a bare UPDATE, the dictionary and {Watching}",
                library.AllocatedBytes,
                (2 * bare.AllocatedBytes) + results.DictionaryBytes + Watching);
        }
    }

    /// <summary>What takes a machine to itself.</summary>
    public static IEnumerable<Threshold> OfSpeed(Results results) =>
        AgainstBareUpdate(results)
            .Concat(OwnShare(results))
            .Concat(AgainstStatementByStatement(results))
            .Concat(AgainstOtherLocks(results))
            .Concat(OnTheHotRow(results))
            .Concat(Neighbours(results))
            .Concat(Growth(results));

    private static IEnumerable<Threshold> AgainstBareUpdate(Results results)
    {
        foreach (var contest in results.Contests.Where(static contest => contest.Has(Library) && contest.Has(Bare)))
        {
            if (LimitAgainstBareUpdate(contest.Scenario) is { } limit)
            {
                yield return Faster(contest, Bare, "a bare UPDATE", limit);
            }
        }
    }

    private static double? LimitAgainstBareUpdate(Scenario scenario) => scenario switch
    {
        { TableRows: not 1_000 } or { RowsPerCaller: not 1 } or { Keys: 5 or 50 or 500 } => null,
        { DelayMilliseconds: 0, Callers: 1, Prepared: true } => 0.75,
        { DelayMilliseconds: 0, Callers: 1, Prepared: false } => 0.55,
        { DelayMilliseconds: 1, Hot: false, Callers: <= 4 } => 0.95,
        { DelayMilliseconds: 1, Hot: false, Callers: 8 } => 0.88,
        { DelayMilliseconds: 5, Hot: false, Callers: 8 } => 0.97,
        { DelayMilliseconds: 1, Hot: true, Callers: <= 8 } => 0.95,
        { DelayMilliseconds: 1, Hot: true, Callers: 32 } => 1.0,
        { DelayMilliseconds: 1, Hot: true, Callers: 128 } => 1.4,
        { DelayMilliseconds: 5, Hot: true, Callers: 32 } => 0.8,
        _ => null,
    };

    // What is left when the cost of the statements themselves, as pgbench has it, is taken out.
    private static IEnumerable<Threshold> OwnShare(Results results)
    {
        foreach (var (prepared, limit) in new[] { (true, 0.92), (false, 0.85) })
        {
            if (results.Find(new() { Prepared = prepared }) is { } contest && contest.Has("pgbench-library") && contest.Has(Bare))
            {
                yield return new(
                    "merges as a multiple of a bare UPDATE, against the same multiple of pgbench with the library's statements: " +
                    Place(contest.Scenario),
                    contest.Ratio(Library, Bare).Median / contest.Ratio("pgbench-library", "pgbench-bare").Median,
                    limit,
                    IsMinimum: true);
            }
        }
    }

    private static IEnumerable<Threshold> AgainstStatementByStatement(Results results)
    {
        (Scenario Scenario, double Limit)[] limits =
        [
            (AtEightCallers, 3.5), (AtEightCallers with { Hot = true }, 6), (new() { Prepared = true }, 1.4),
            (new() { Prepared = false }, 1.15),
        ];
        foreach (var (scenario, limit) in limits)
        {
            if (results.Find(scenario) is not { } contest)
            {
                continue;
            }

            yield return Faster(contest, "npgsql", "statement by statement with Npgsql", limit);
            yield return Faster(contest, "dapper", "statement by statement with Dapper", limit);
        }
    }

    private static IEnumerable<Threshold> AgainstOtherLocks(Results results)
    {
        if (results.Find(AtEightCallers with { Hot = true }) is not { } contest)
        {
            yield break;
        }

        yield return Faster(contest, "efcore", "EF Core", 5);
        yield return Faster(contest, "lock", "DistributedLock.Postgres", 5);
    }

    private static IEnumerable<Threshold> OnTheHotRow(Results results)
    {
        foreach (var contest in results.Contests.Where(
            static contest => contest.Scenario is { Hot: true, DelayMilliseconds: 1, Callers: >= 8 } && contest.Has(Library)))
        {
            yield return AtMost(
                $"99th percentile of the latency as a multiple of the median: {Place(contest.Scenario)}",
                contest.Figure(Library, static slice => slice.P99Milliseconds / slice.MedianMilliseconds).Median,
                3);
            if (contest.Scenario.Callers == 128 && contest.Has(Bare)
                && contest.Slices[Library].All(static slice => slice.ServerCpuMicroseconds is not null))
            {
                yield return AtMost(
                    $"the server's processor time for a merge as a multiple of that for a bare UPDATE: {Place(contest.Scenario)}",
                    contest.Figure(Library, static slice => slice.ServerCpuMicroseconds!.Value).Median /
                        contest.Figure(Bare, static slice => slice.ServerCpuMicroseconds!.Value).Median,
                    0.6);
            }
        }
    }

    private static IEnumerable<Threshold> Neighbours(Results results)
    {
        if (results.Neighbour is { } neighbour)
        {
            yield return AtMost(
                $"99th percentile of another stack's merges while {NeighbourCheck.Waiting} merges wait for a stuck one, in a pool of " +
                $"{NeighbourCheck.PoolSize}, as a multiple of that without them",
                neighbour.BesideStuck.Median / neighbour.Alone.Median,
                2);
        }
    }

    private static IEnumerable<Threshold> Growth(Results results)
    {
        var rows = results.Of(Sweep.Rows);
        if (rows.Count > 1)
        {
            yield return AtMost(
                $"time of a merge in a table of {rows[^1].Scenario.TableRows:N0} rows as a multiple of that in one of " +
                $"{rows[0].Scenario.TableRows:N0}",
                Time(rows[^1]) / Time(rows[0]),
                1.5);
        }

        foreach (var (smaller, larger) in results.Of(Sweep.Size).Zip(results.Of(Sweep.Size).Skip(1)))
        {
            var (from, to) = (new ScenarioRows(smaller.Scenario).BytesOfASet, new ScenarioRows(larger.Scenario).BytesOfASet);
            yield return AtMost(
                $"time of a merge into a set of {to:N0} bytes as a multiple of that into one of {from:N0}",
                Time(larger) / Time(smaller),
                (double)to / from);
        }
    }

    private static double Time(ContestResult contest) => contest.Figure(Library, static slice => slice.MedianMilliseconds).Median;

    private static Threshold Faster(ContestResult contest, string contestant, string title, double limit) =>
        new(
            $"merges as a multiple of {title}: {Place(contest.Scenario)}",
            contest.Ratio(Library, contestant).Median,
            limit,
            IsMinimum: true);

    private static Threshold AtMost(string claim, double measured, double limit) => new(claim, measured, limit, IsMinimum: false);

    private static string Place(Scenario scenario) =>
        (scenario.DelayMilliseconds > 0
            ? string.Create(CultureInfo.InvariantCulture, $"{scenario.DelayMilliseconds} ms each way")
            : "no network in between") +
        $", {(scenario.Callers is 1 ? "one caller" : $"{scenario.Callers} callers")}" +
        $", {(scenario.Hot ? "one hot row" : "separate rows")}, sets of {scenario.Keys} keys{(scenario.Prepared ? "" : ", unprepared")}";
}
