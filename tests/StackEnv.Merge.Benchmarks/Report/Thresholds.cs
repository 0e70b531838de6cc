using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>What the library has to reach.</summary>
internal static class Thresholds
{
    // Bytes of what hears the server's notices during COMMIT, and keeps the set that is returned from being changed.
    private const int Watching = 256;

    private const string Library = "library";

    private static readonly Scenario AtOneCaller = new() { DelayMilliseconds = 1 };
    private static readonly Scenario AtEightCallers = AtOneCaller with { Callers = 8 };

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
            .Concat(AgainstStatementByStatement(results))
            .Concat(OnTheHotRow(results))
            .Concat(Evenness(results))
            .Concat(Growth(results));

    private static IEnumerable<Threshold> AgainstBareUpdate(Results results)
    {
        (Scenario Scenario, double Limit)[] limits =
        [
            (AtOneCaller, 0.95), (AtOneCaller with { Hot = true }, 0.95), (AtEightCallers, 0.95),
            (AtEightCallers with { Hot = true }, 0.95),
            (new() { Prepared = true }, 0.80), (new() { Prepared = false }, 0.70),
        ];
        foreach (var (scenario, limit) in limits)
        {
            if (results.Find(scenario) is { } contest)
            {
                yield return Faster(contest, "bare", "a bare UPDATE", limit);
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

    private static IEnumerable<Threshold> OnTheHotRow(Results results)
    {
        if (results.Find(AtEightCallers with { Hot = true }) is not { } contest)
        {
            yield break;
        }

        yield return Faster(contest, "efcore", "EF Core", 5);
        yield return Faster(contest, "lock", "DistributedLock.Postgres", 5);
    }

    private static IEnumerable<Threshold> Evenness(Results results)
    {
        foreach (var hot in new[] { false, true })
        {
            if (results.Find(AtEightCallers with { Hot = hot }) is { } contest)
            {
                yield return AtMost(
                    $"99th percentile of the latency as a multiple of the median: {Place(contest.Scenario)}",
                    contest.Figure(Library, static slice => slice.P99Milliseconds / slice.MedianMilliseconds).Median,
                    5);
            }
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

    private static string Place(Scenario scenario) => scenario.DelayMilliseconds > 0
        ? $"1 ms each way, {(scenario.Callers is 1 ? "one caller" : $"{scenario.Callers} callers")}, " +
            $"{(scenario.Hot ? "one hot row" : "separate rows")}"
        : $"no network in between, one caller, {(scenario.Prepared ? "prepared" : "unprepared")}";
}
