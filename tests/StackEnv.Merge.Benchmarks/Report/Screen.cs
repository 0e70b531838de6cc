using System.Globalization;
using Spectre.Console;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>What the terminal shows when all is done.</summary>
internal static class Screen
{
    private const int MostTypes = 25;
    private const int WidthOfTables = 130;

    /// <summary>Has the tables in full where there is no terminal to fit them into.</summary>
    public static void Prepare()
    {
        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = WidthOfTables;
        }
    }

    public static void Show(Results results)
    {
        foreach (var contest in results.Contests)
        {
            AnsiConsole.MarkupLineInterpolated($"[bold]{contest.Scenario}[/]");
            var table = Table("", "merges/s", "the library is", "(middle half)", "p10 ms", "median ms", "p99 ms", "bytes", "server µs");
            foreach (var appearance in Appearance.All.Where(appearance => contest.Has(appearance.Name)))
            {
                var ratio = contest.Has("library") ? contest.Ratio("library", appearance.Name) : new(double.NaN, double.NaN, double.NaN);
                table.AddRow(
                    appearance.Title,
                    Text("N0", contest.MergesPerSecond(appearance.Name).Median),
                    $"{Text("0.00", ratio.Median)} ×",
                    $"{Text("0.00", ratio.Low)} to {Text("0.00", ratio.High)}",
                    Text("0.000", contest.Figure(appearance.Name, static slice => slice.P10Milliseconds).Median),
                    Text("0.000", contest.Figure(appearance.Name, static slice => slice.MedianMilliseconds).Median),
                    Text("0.000", contest.Figure(appearance.Name, static slice => slice.P99Milliseconds).Median),
                    Text("N0", contest.Figure(appearance.Name, static slice => slice.AllocatedBytes ?? double.NaN).Median),
                    Text("0", contest.Figure(appearance.Name, static slice => slice.ServerCpuMicroseconds ?? double.NaN).Median));
            }

            AnsiConsole.Write(table);
        }

        if (results.Anatomies.Count > 0)
        {
            AnsiConsole.MarkupLine(
                $"[bold]What one merge takes[/] (the dictionary that is handed out: {Text("N0", results.DictionaryBytes)} bytes)");
            var table = Table("", "statements", "round trips", "bytes");
            foreach (var anatomy in results.Anatomies)
            {
                table.AddRow(
                    Appearance.Of(anatomy.Contestant).Title,
                    anatomy.Prepared ? "prepared" : "unprepared",
                    Text("0.##", anatomy.RoundTrips),
                    Text("N0", anatomy.AllocatedBytes));
            }

            AnsiConsole.Write(table);
        }

        if (results.Delay is { } delay)
        {
            AnsiConsole.MarkupLineInterpolated($"[bold]The delay[/] (an empty query without the proxy: {Text("0.000", delay.Direct)} ms)");
            var table = Table("ms each way", "round trip", "achieved each way");
            foreach (var (wanted, roundTrip) in delay.ThroughProxy)
            {
                table.AddRow(Text("0.##", wanted), Text("0.000", roundTrip), Text("0.000", (roundTrip - delay.Direct) / 2));
            }

            AnsiConsole.Write(table);
        }
    }

    public static void Show(IReadOnlyList<(string Type, double Share)> allocations)
    {
        AnsiConsole.MarkupLine("[bold]What the library's merges allocate[/] (samples)");
        var table = Table("type", "share of the bytes");
        foreach (var (type, share) in allocations.Take(MostTypes))
        {
            table.AddRow(Markup.Escape(type), Text("P1", share));
        }

        AnsiConsole.Write(table);
    }

    /// <summary>Says what has been checked by the time that there are results: a wrong row ends the program.</summary>
    public static void ShowVerified(Results results)
    {
        if (results.Contests.Count > 0)
        {
            var merges = results.Contests.Sum(
                static contest => contest.Slices.Values.Sum(static slices => slices.Sum(static slice => slice.Merges)));
            AnsiConsole.MarkupLine(
                $"[green]✓[/] {Text("N0", merges)} merges measured, each contestant's rows checked after each of its turns: no update " +
                "was lost");
        }
    }

    /// <summary>Shows which claims held.</summary>
    /// <returns>Whether all did.</returns>
    public static bool Show(IReadOnlyList<Threshold> thresholds)
    {
        foreach (var threshold in thresholds)
        {
            AnsiConsole.MarkupLine(
                $"{(threshold.IsMet ? "[green]✓[/]" : "[red]✗[/]")} {Markup.Escape(threshold.Claim)}: {threshold.MeasuredText} " +
                $"({threshold.Required})");
        }

        return thresholds.All(static threshold => threshold.IsMet);
    }

    private static Table Table(params string[] columns)
    {
        var table = new Table { Border = TableBorder.Simple };
        foreach (var (index, column) in columns.Index())
        {
            table.AddColumn(new TableColumn(column) { Alignment = index == 0 ? Justify.Left : Justify.Right, NoWrap = true });
        }

        return table;
    }

    private static string Text(string format, double number) =>
        double.IsFinite(number) ? number.ToString(format, CultureInfo.InvariantCulture) : "–";
}
