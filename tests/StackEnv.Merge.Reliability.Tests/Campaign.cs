using System.Globalization;
using System.Reflection;
using System.Text;

namespace StackEnv.Merge.Reliability.Tests;

/// <summary>
/// How often one claim is tested, from which seed, and where the figures go. Each run draws from its own source, made of the seed
/// and the run's number alone, so that any one of them can be replayed by itself.
/// </summary>
/// <remarks>
/// <c>STACKENV_RELIABILITY=full</c> asks for the full form. <c>STACKENV_RUNS</c> sets the number of runs, <c>STACKENV_SEED</c> the seed and
/// <c>STACKENV_RUN</c> the one run to replay. The figures are written as Markdown to <c>artifacts/reliability</c>.
/// </remarks>
public sealed class Campaign
{
    private static readonly int? OnlyRun = FromEnvironment("STACKENV_RUN");
    private static readonly string Folder = Path.Combine(
        typeof(Campaign).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(static attribute => attribute.Key is "RepositoryRoot").Value!,
        "artifacts",
        "reliability");

    private readonly ITestOutputHelper _output;
    private readonly string _name;
    private readonly StringBuilder _figures = new();

    private Campaign(ITestOutputHelper output, string name, int runs)
    {
        _output = output;
        _name = name;
        Runs = runs;
        Seed = FromEnvironment("STACKENV_SEED") ?? Environment.TickCount;
        Report($"STACKENV_SEED={Seed}, {runs} runs");
    }

    /// <summary>Whether this is the full form rather than the short one of CI.</summary>
    public static bool IsFull =>
        string.Equals(Environment.GetEnvironmentVariable("STACKENV_RELIABILITY"), "full", StringComparison.OrdinalIgnoreCase);

    /// <summary>How many runs there are, counted from 0.</summary>
    public int Runs { get; }

    public int Seed { get; }

    /// <summary>The numbers of the runs: all, or the one that is to be replayed.</summary>
    public IEnumerable<int> Numbers => OnlyRun is { } only ? [only] : Enumerable.Range(0, Runs);

    /// <param name="output">The test's.</param>
    /// <param name="name">The file name of its figures.</param>
    /// <param name="shortForm">How many runs in CI.</param>
    /// <param name="fullForm">How many runs in the full form.</param>
    public static Campaign Start(ITestOutputHelper output, string name, int shortForm, int fullForm) =>
        new(output, name, FromEnvironment("STACKENV_RUNS") ?? (IsFull ? fullForm : shortForm));

    /// <summary>The run's own source of randomness.</summary>
    public Random RandomOf(int run) => new(unchecked((Seed * 397) ^ (run * 7919)));

    /// <summary>How to see one run again, for the message of its failure.</summary>
    public string Replay(int run) => string.Create(CultureInfo.InvariantCulture, $"To replay: STACKENV_SEED={Seed} STACKENV_RUN={run}.");

    /// <summary>Adds a line of Markdown to the figures.</summary>
    public void Report(string line)
    {
        _output.WriteLine(line);
        _figures.AppendLine(line);
    }

    /// <summary>Adds a table to the figures, and writes them.</summary>
    public void ReportTable(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<object>> rows)
    {
        ArgumentNullException.ThrowIfNull(columns);
        ArgumentNullException.ThrowIfNull(rows);
        Report("");
        Report($"| {string.Join(" | ", columns)} |");
        Report($"|{string.Concat(columns.Select(static (_, index) => index == 0 ? " --- |" : " ---: |"))}");
        foreach (var row in rows)
        {
            Report($"| {string.Join(" | ", row.Select(Text))} |");
        }

        Directory.CreateDirectory(Folder);
        File.WriteAllText(Path.Combine(Folder, $"{_name}.md"), _figures.ToString());
    }

    private static string Text(object cell) => string.Format(CultureInfo.InvariantCulture, cell is int or long ? "{0:N0}" : "{0}", cell);

    private static int? FromEnvironment(string name) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : null;
}
