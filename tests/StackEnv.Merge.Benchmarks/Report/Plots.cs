using System.Globalization;
using ScottPlot;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>Draws the sweeps, each contestant in the same colour everywhere and with its name at the end of its line.</summary>
internal sealed class Plots(string folder)
{
    private const int Width = 860;
    private const int Height = 480;

    // Each letter is placed as in this font, and Verdana's are as wide.
    private const string Font = "DejaVu Sans";

    // Above and below the lines, as a power of ten.
    private const double Margin = 0.15;

    private static readonly Color Ink = Color.FromHex("#333333");
    private static readonly Color Grid = Color.FromHex("#E6E6E6");
    private static readonly int[] LabelledDigits = [1, 2, 5];

    /// <summary>Draws whatever was measured.</summary>
    public void Draw(Results results)
    {
        Directory.CreateDirectory(folder);
        foreach (var hot in new[] { false, true })
        {
            var target = hot ? "one hot row" : "separate rows";
            var file = hot ? "hot" : "separate";
            Draw(
                $"throughput-by-latency-{file}",
                $"Merges per second by network latency: 8 callers, {target}",
                "one-way delay of the network, ms (not to scale)",
                "merges per second (logarithmic)",
                results.Of(Sweep.Latency).Where(contest => contest.Scenario.Hot == hot),
                static scenario => scenario.DelayMilliseconds.ToString("0.#", CultureInfo.InvariantCulture),
                static slice => slice.MergesPerSecond);
            Draw(
                $"throughput-by-callers-{file}",
                $"Merges per second by callers: 1 ms each way, {target}",
                "callers (not to scale)",
                "merges per second (logarithmic)",
                results.Of(Sweep.Callers).Where(contest => contest.Scenario.Hot == hot),
                static scenario => scenario.Callers.ToString(CultureInfo.InvariantCulture),
                static slice => slice.MergesPerSecond);
        }

        Draw(
            "cost-by-size",
            "Time of a merge by size of the set: one caller, no network in between",
            "keys in the set and its size (not to scale)",
            "median time of a merge, ms (logarithmic)",
            results.Of(Sweep.Size),
            static scenario =>
                string.Create(CultureInfo.InvariantCulture, $"{scenario.Keys} ({new ScenarioRows(scenario).BytesOfASet / 1024d:0.0} KiB)"),
            static slice => slice.MedianMilliseconds);
        Draw(
            "cost-by-rows",
            "Time of a merge by rows in the table: one caller, no network in between",
            "rows in the table (not to scale)",
            "median time of a merge, ms (logarithmic)",
            results.Of(Sweep.Rows),
            static scenario => scenario.TableRows.ToString("N0", CultureInfo.InvariantCulture),
            static slice => slice.MedianMilliseconds);
    }

    private void Draw(
        string file, string title, string xLabel, string yLabel, IEnumerable<ContestResult> results, Func<Scenario, string> x,
        Func<Slice, double> y)
    {
        ContestResult[] contests = [.. results];
        if (contests.Length < 2)
        {
            return;
        }

        using var plot = new Plot();
        var heights = new List<double>();
        var ends = new List<(Appearance Appearance, double Y)>();
        // The library last, so that its line is on top.
        foreach (var appearance in Appearance.All.Where(appearance => contests.All(contest => contest.Has(appearance.Name))).Reverse())
        {
            // A contestant too slow to end one merge in a short window has no point there.
            var points = contests.Index()
                .Select(contest => (X: (double)contest.Index, Y: Math.Log10(contest.Item.Figure(appearance.Name, y).Median)))
                .Where(static point => double.IsFinite(point.Y))
                .ToArray();
            if (points.Length == 0)
            {
                continue;
            }

            var line = plot.Add.Scatter(
                Array.ConvertAll(points, static point => point.X), Array.ConvertAll(points, static point => point.Y), appearance.Color);
            line.LineWidth = appearance.Width;
            line.MarkerShape = appearance.Marker;
            line.MarkerSize = 5 + (appearance.Width * 1.2f);
            line.MarkerLineWidth = 1.5f;
            heights.AddRange(points.Select(static point => point.Y));
            ends.Add((appearance, points[^1].Y));
        }

        if (heights.Count == 0)
        {
            return;
        }

        Style(plot, title, xLabel, yLabel);
        var (bottom, top) = (heights.Min() - Margin, heights.Max() + Margin);
        var gap = (top - bottom) * 0.052;
        var labels = LabelsApart(ends, gap).ToList();
        bottom = Math.Min(bottom, labels.Min(static label => label.Y) - gap);
        top = Math.Max(top, labels.Max(static label => label.Y) + gap);
        foreach (var (appearance, place) in labels)
        {
            var label = plot.Add.Text(appearance.Title, contests.Length - 1 + (0.03 * contests.Length), place);
            label.LabelFontColor = appearance.Color;
            label.LabelFontName = Font;
            label.LabelFontSize = 14;
            label.LabelBold = appearance.Name is "library";
            label.LabelAlignment = Alignment.MiddleLeft;
        }

        plot.Axes.SetLimits(-0.15, (contests.Length - 1) * 1.55, bottom, top);
        plot.Axes.Bottom.SetTicks([.. Enumerable.Range(0, contests.Length).Select(static place => (double)place)], [.. contests.Select(
            contest => x(contest.Scenario))]);
        double[] values = [.. Values(bottom, top)];
        plot.Axes.Left.SetTicks([.. values.Select(Math.Log10)], [.. values.Select(
            static value => value.ToString(value < 1 ? "0.###" : "N0", CultureInfo.InvariantCulture))]);
        File.WriteAllText(
            Path.Combine(folder, $"{file}.svg"),
            plot.GetSvgXml(Width, Height).Replace($"\"{Font}\"", $"\"{Font}, Verdana, sans-serif\"", StringComparison.Ordinal));
    }

    private static void Style(Plot plot, string title, string xLabel, string yLabel)
    {
        plot.Font.Set(Font);
        plot.Title(title, size: 17);
        plot.XLabel(xLabel, size: 14);
        plot.YLabel(yLabel, size: 14);
        plot.Grid.MajorLineColor = Grid;
        plot.FigureBackground.Color = Colors.White;
        plot.Axes.Color(Ink);
        plot.Axes.Right.IsVisible = false;
        plot.Axes.Top.IsVisible = false;
        plot.Axes.Bottom.TickLabelStyle.FontSize = 13;
        plot.Axes.Left.TickLabelStyle.FontSize = 13;
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.HideLegend();
    }

    private static IEnumerable<double> Values(double bottom, double top) =>
        from power in Enumerable.Range((int)Math.Floor(bottom), (int)Math.Ceiling(top) - (int)Math.Floor(bottom) + 1)
        from digit in LabelledDigits
        let value = digit * Math.Pow(10, power)
        where Math.Log10(value) >= bottom && Math.Log10(value) <= top
        select value;

    // Labels that would overlap form a pile around the middle of where they belong.
    private static IEnumerable<(Appearance Appearance, double Y)> LabelsApart(List<(Appearance Appearance, double Y)> ends, double gap)
    {
        var piles = new List<(List<Appearance> Labels, double Middle)>();
        foreach (var (appearance, y) in ends.OrderBy(static end => end.Y))
        {
            piles.Add(([appearance], y));
            while (piles.Count > 1 && Bottom(piles[^1]) - Top(piles[^2]) < gap)
            {
                var (below, above) = (piles[^2], piles[^1]);
                var count = below.Labels.Count + above.Labels.Count;
                piles.RemoveRange(piles.Count - 2, 2);
                piles.Add(
                    (
                        [.. below.Labels, .. above.Labels],
                        ((below.Middle * below.Labels.Count) + (above.Middle * above.Labels.Count)) / count));
            }
        }

        return piles.SelectMany(pile => pile.Labels.Select((label, place) => (label, Bottom(pile) + (place * gap))));

        double Bottom((List<Appearance> Labels, double Middle) pile) => pile.Middle - (gap * (pile.Labels.Count - 1) / 2);
        double Top((List<Appearance> Labels, double Middle) pile) => pile.Middle + (gap * (pile.Labels.Count - 1) / 2);
    }
}
