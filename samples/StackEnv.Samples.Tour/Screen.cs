using System.Globalization;
using Spectre.Console;
using StackEnv.Merge;

namespace StackEnv.Samples.Tour;

/// <summary>
/// Shows the tour, values too: they are the tour's own and no secrets, and without them a refused change would look like a stored one.
/// </summary>
internal static class Screen
{
    private const string Absent = "–";
    private const int MaxKeysShown = 5;

    private static readonly HashSet<string> ShownInFull = new(StringComparer.Ordinal);

    public static void Welcome(string origin)
    {
        AnsiConsole.WriteLine();
        AnsiConsole.MarkupLine("[bold]StackEnv.Merge[/], a tour: real merges on a real PostgreSQL");
        AnsiConsole.MarkupLine($"[grey]PostgreSQL from: {Markup.Escape(origin)}[/]");
    }

    public static void Step(string title, string story, Observation seen, IReadOnlyList<Check> checks)
    {
        AnsiConsole.WriteLine();
        AnsiConsole.Write(new Rule($"[bold]{Markup.Escape(title)}[/]").LeftJustified());
        AnsiConsole.WriteLine(story);
        AnsiConsole.Write(Statements(seen.Statements));
        AnsiConsole.Write(new Grid { Expand = false }.AddColumns(2).AddRow(Keys(seen), Outcome(seen)));
        Show(checks);
    }

    public static void Verdict(IReadOnlyList<Check> checks)
    {
        var broken = checks.Where(check => !check.Holds).ToList();
        AnsiConsole.WriteLine();
        AnsiConsole.Write(new Rule());
        if (broken.Count == 0)
        {
            AnsiConsole.MarkupLine($"[green]All {checks.Count} claims of the tour hold.[/]");
        }
        else
        {
            AnsiConsole.MarkupLine($"[red]{broken.Count} of {checks.Count} claims of the tour do not hold:[/]");
            Show(broken);
        }
    }

    public static void Problem(string message) => Console.Error.WriteLine(message);

    private static void Show(IEnumerable<Check> checks)
    {
        var lines = new Grid { Expand = false }.AddColumn(new GridColumn().PadRight(1)).AddColumn(new GridColumn().PadRight(0));
        foreach (var check in checks)
        {
            lines.AddRow(new Markup(check.Holds ? "[green]✓[/]" : "[red]✗[/]"), new Text(check.Claim));
        }

        AnsiConsole.Write(lines);
    }

    // Each statement in full when it appears first; after that a long one is cut to one line.
    private static Panel Statements(IReadOnlyList<string> statements)
    {
        var lines = new Grid { Expand = false }
            .AddColumn(new GridColumn().RightAligned().PadRight(1))
            .AddColumn(new GridColumn().PadRight(0));

        // BEGIN opens the transaction, and its first statement is number 1.
        foreach (var (index, group) in statements.GroupBy(statement => statement, StringComparer.Ordinal).Index())
        {
            var label = group.Count() > 1 ? $"{group.Count()} ×" : index == 0 ? "" : index.ToString(CultureInfo.InvariantCulture);
            lines.AddRow(new Markup($"[grey]{label}[/]"), ShownInFull.Add(group.Key) ? new Text(group.Key) : OneLine(group.Key));
        }

        return new Panel(lines) { Header = new PanelHeader(" What PostgreSQL received "), Border = BoxBorder.Rounded, Expand = true };
    }

    private static Text OneLine(string statement)
    {
        const int frameAndLabel = 10;
        var room = Math.Max(AnsiConsole.Profile.Width - frameAndLabel, frameAndLabel);
        var line = statement.ReplaceLineEndings(" ");
        return new Text(line == statement || line.Length <= room ? line : line[..(room - 1)] + "…");
    }

    private static Table Keys(Observation seen)
    {
        var table = new Table { Border = TableBorder.Rounded }.AddColumns("Key", "Asked for", "Stored");
        var keys = seen.Changes.Keys.Union(seen.Stored.Env.Keys, StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        var shown = keys.Count > MaxKeysShown ? [keys[0], keys[1], "…", keys[^1]] : keys;
        foreach (var key in shown)
        {
            if (key is "…")
            {
                table.AddRow(key, key, key);
            }
            else
            {
                table.AddRow(new Text(key), new Text(AskedFor(seen, key)), new Text(seen.Stored.Env.GetValueOrDefault(key, Absent)));
            }
        }

        return table;
    }

    private static string AskedFor(Observation seen, string key) =>
        !seen.Changes.TryGetValue(key, out var value) ? "" : string.IsNullOrEmpty(value) ? "delete" : $"set {value}";

    private static Table Outcome(Observation seen)
    {
        var table = new Table { Border = TableBorder.Rounded, ShowHeaders = false }.AddColumns("", "");
        foreach (var (name, value) in seen.Failure is { } failure ? Facts(failure) : Facts(seen.Results))
        {
            table.AddRow(new Text(name), new Text(value, new Style(decoration: Decoration.Bold)));
        }

        return table.AddRow("Time", string.Create(CultureInfo.InvariantCulture, $"[bold]{seen.Elapsed.TotalMilliseconds:0.0} ms[/]"));
    }

    private static (string Name, string Value)[] Facts(StackEnvMergeException failure) =>
    [
        ("Exception", failure.GetType().Name),
        (nameof(failure.ErrorCode), failure.ErrorCode),
        (nameof(failure.IsTransient), failure.IsTransient ? "true" : "false"),
    ];

    private static (string Name, string Value)[] Facts(IReadOnlyList<MergeResult> results) =>
    [
        .. results.Count == 1 ? Array.Empty<(string, string)>() : [("Merges", Number(results.Count))],
        (nameof(MergeResult.KeysSet), Number(results.Sum(result => result.KeysSet))),
        (nameof(MergeResult.KeysDeleted), Number(results.Sum(result => result.KeysDeleted))),
        (nameof(MergeResult.TotalAfter), Number(results.Max(result => result.TotalAfter))),
        (nameof(MergeResult.Changed), results.Any(result => result.Changed) ? "true" : "false"),
    ];

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
