using System.Globalization;
using System.Text;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>Writes the figures: Markdown tables, ready to be pasted into the docs, and every slice as CSV.</summary>
internal sealed class Tables(string folder, string environment)
{
    private static readonly (string Header, Func<Scenario, string> Value)[] Circumstances =
    [
        ("rows merged into", static scenario => scenario.Hot ? "one hot row" : "separate"),
        ("ms each way", static scenario => Text("0.##", scenario.DelayMilliseconds)),
        ("callers", static scenario => Text("0", scenario.Callers)),
        ("statements", static scenario => scenario.Prepared ? "prepared" : "unprepared"),
        ("set", static scenario => string.Create(
            CultureInfo.InvariantCulture,
            $"{new ScenarioRows(scenario).KeysOfASet} keys, {new ScenarioRows(scenario).BytesOfASet / 1024d:0.0} KiB")),
        ("rows in the table", static scenario => Text("N0", scenario.TableRows)),
    ];

    public void Write(Results results, IReadOnlyList<Threshold> thresholds)
    {
        new Markdown().Paragraph(environment).Save(Path.Combine(folder, "environment.md"));
        foreach (var sweep in results.Sweeps)
        {
            WriteSweep(sweep, results.Of(sweep));
        }

        if (results.Anatomies.Count > 0)
        {
            WriteAnatomies(results);
        }

        if (results.Delay is { } delay)
        {
            WriteDelay(delay.Direct, delay.ThroughProxy);
        }

        if (results.Neighbour is { } neighbour)
        {
            WriteNeighbour(neighbour.Alone, neighbour.BesideStuck);
        }

        if (thresholds.Count > 0)
        {
            WriteThresholds(thresholds);
        }

        if (results.Contests.Count > 0)
        {
            WriteSlices(results);
        }
    }

    private static string Text(string format, double number) =>
        double.IsFinite(number) ? number.ToString(format, CultureInfo.InvariantCulture) : "–";

    private static string Milliseconds(double number) => Text(number < 1 ? "0.000" : "0.00", number);

    private void WriteSweep(Sweep sweep, IReadOnlyList<ContestResult> contests)
    {
        var circumstances = Circumstances.Where(
            circumstance => contests.Select(contest => circumstance.Value(contest.Scenario)).Distinct().Count() > 1).ToList();
        if (circumstances.Count == 0)
        {
            circumstances = [.. Circumstances];
        }

        var contestants = Appearance.All.Where(appearance => contests.Any(contest => contest.Has(appearance.Name))).ToList();
        var file = new Markdown().Paragraph($"### {sweep.Title}");

        AddTable(
            "Merges per second (the median of the rounds):", static (contest, name) => Text("N0", contest.MergesPerSecond(name).Median));
        if (contests.Any(static contest => contest.Has("library")))
        {
            AddTable(
                "The library's merges as a multiple of the others' (median of the rounds' ratios, and the bounds of their middle half):",
                static (contest, name) => contest.Ratio("library", name) is var ratio && name is "library"
                    ? "1"
                    : $"{Text("0.00", ratio.Median)} ({Text("0.00", ratio.Low)} to {Text("0.00", ratio.High)})");
        }

        AddTable(
            "Latency of a merge in ms, 10th percentile / median / 99th percentile (medians of the rounds; on a busy machine the first is " +
            "what it would be on an idle one):",
            static (contest, name) =>
                $"{Milliseconds(contest.Figure(name, static slice => slice.P10Milliseconds).Median)} / " +
                $"{Milliseconds(contest.Figure(name, static slice => slice.MedianMilliseconds).Median)} / " +
                $"{Milliseconds(contest.Figure(name, static slice => slice.P99Milliseconds).Median)}");
        AddTable(
            "Client: KB allocated by a merge / server: µs of processor time for it:",
            static (contest, name) => contest.Slices[name].All(static slice => slice.AllocatedBytes is not null)
                ? $"{Text("0.0", contest.Figure(name, static slice => slice.AllocatedBytes!.Value).Median / 1_000)} / " +
                    $"{Text("0", contest.Figure(name, static slice => slice.ServerCpuMicroseconds ?? double.NaN).Median)}"
                : "–");
        file.Save(Path.Combine(folder, $"{sweep.Name}.md"));

        void AddTable(string caption, Func<ContestResult, string, string> cell) => file.Paragraph(caption).Table(
            [
                .. circumstances.Select(static circumstance => circumstance.Header),
                .. contestants.Select(static contestant => contestant.Title),
            ],
            contests.Select(contest => (IReadOnlyList<string>)
            [
                .. circumstances.Select(circumstance => circumstance.Value(contest.Scenario)),
                .. contestants.Select(contestant => contest.Has(contestant.Name) ? cell(contest, contestant.Name) : "–"),
            ]));
    }

    private void WriteAnatomies(Results results) => new Markdown()
        .Paragraph("### What one merge takes")
        .Paragraph(
            "Two changes to a set of 20 keys, one caller. The dictionary alone that is handed out takes " +
            $"{Text("N0", results.DictionaryBytes)} bytes.")
        .Table(
            ["", "round trips, prepared", "bytes allocated, prepared", "round trips, unprepared", "bytes allocated, unprepared"],
            from appearance in Appearance.All
            let prepared = results.Anatomy(appearance.Name, prepared: true)
            let unprepared = results.Anatomy(appearance.Name, prepared: false)
            where prepared is not null && unprepared is not null
            select (string[])
            [
                appearance.Title,
                Text("0.##", prepared.RoundTrips),
                Text("N0", prepared.AllocatedBytes),
                Text("0.##", unprepared.RoundTrips),
                Text("N0", unprepared.AllocatedBytes),
            ])
        .Save(Path.Combine(folder, "allocations.md"));

    private void WriteDelay(double direct, IReadOnlyList<(double Wanted, double RoundTrip)> throughProxy) => new Markdown()
        .Paragraph("### The delay itself")
        .Paragraph($"The median time of an empty query, one caller. Without the proxy: {Milliseconds(direct)} ms.")
        .Table(
            ["wanted, ms each way", "round trip through the proxy, ms", "achieved, ms each way"],
            throughProxy.Select(
                line => (string[])[Text("0.##", line.Wanted), Milliseconds(line.RoundTrip), Milliseconds((line.RoundTrip - direct) / 2)]))
        .Save(Path.Combine(folder, "delay.md"));

    private void WriteNeighbour(Spread alone, Spread besideStuck) => new Markdown()
        .Paragraph("### Beside a stuck stack")
        .Paragraph(
            $"The 99th percentile of one stack's merges, no network in between, while {NeighbourCheck.Waiting} merges wait for a stack " +
            $"whose row is held, in a pool of {NeighbourCheck.PoolSize} connections (the median of the rounds, and between which the " +
            "middle half of them lies):")
        .Table(
            ["", "ms"],
            [
                ["alone", $"{Milliseconds(alone.Median)} ({Milliseconds(alone.Low)} to {Milliseconds(alone.High)})"],
                [
                    "beside the stuck stack",
                    $"{Milliseconds(besideStuck.Median)} ({Milliseconds(besideStuck.Low)} to {Milliseconds(besideStuck.High)})",
                ],
            ])
        .Save(Path.Combine(folder, "neighbours.md"));

    private void WriteThresholds(IReadOnlyList<Threshold> thresholds) => new Markdown()
        .Paragraph("### Thresholds")
        .Table(
            ["claim", "required", "measured", ""],
            thresholds.Select(
                static threshold =>
                    (string[])[threshold.Claim, threshold.Required, threshold.MeasuredText, threshold.IsMet ? "met" : "**missed**"]))
        .Save(Path.Combine(folder, "thresholds.md"));

    private void WriteSlices(Results results)
    {
        var csv = new StringBuilder()
            .Append("hot,delay_ms,callers,prepared,keys,value_length,table_rows,contestant,round,")
            .AppendLine("merges,seconds,p10_ms,median_ms,p99_ms,allocated_bytes,server_cpu_us");
        foreach (var (scenario, contestant, round, slice) in
            from contest in results.Contests
            from slices in contest.Slices
            from slice in slices.Value.Index()
            select (contest.Scenario, slices.Key, slice.Index, slice.Item))
        {
            csv.Append(CultureInfo.InvariantCulture, $"{scenario.Hot},{scenario.DelayMilliseconds},{scenario.Callers},{scenario.Prepared},")
                .Append(CultureInfo.InvariantCulture, $"{scenario.Keys},{scenario.ValueLength},{scenario.TableRows},{contestant},{round},")
                .Append(CultureInfo.InvariantCulture, $"{slice.Merges},{slice.Seconds:F6},{slice.P10Milliseconds:F4},")
                .Append(CultureInfo.InvariantCulture, $"{slice.MedianMilliseconds:F4},{slice.P99Milliseconds:F4},")
                .AppendLine(CultureInfo.InvariantCulture, $"{slice.AllocatedBytes:F0},{slice.ServerCpuMicroseconds:F1}");
        }

        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "slices.csv"), csv.ToString());
    }
}
