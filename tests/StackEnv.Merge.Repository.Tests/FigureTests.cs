using System.Globalization;
using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>The figures that the pages quote from the tables that the benchmarks write.</summary>
public sealed partial class FigureTests
{
    private const string Npgsql = "merges as a multiple of statement by statement with Npgsql: 1 ms each way, 8 callers, ";
    private const string Tail = "99th percentile of the latency as a multiple of the median: 1 ms each way, ";
    private const string Server =
        "the server's processor time for a merge as a multiple of that for a bare UPDATE: 1 ms each way, 128 callers, ";

    private static readonly string Summary = new Document("docs/performance.md").Text;
    private static readonly string Speed = Section(new Document("README.md").Text, "## Speed", "## See it work");

    private static readonly HashSet<string> Measured =
    [
        .. Tables().Matches(Summary + new Document("docs/performance-appendix.md").Text)
            .SelectMany(static table => Figure().Matches(table.Value))
            .Select(static figure => figure.Value),
    ];

    [Fact]
    public void The_results_of_the_page_about_performance_are_in_its_tables() =>
        AssertMeasured(Section(Summary, "## Results", "## Plots"));

    [Fact]
    public void The_figures_of_the_readme_are_in_the_tables() => AssertMeasured(Speed);

    [Theory]
    [InlineData(@"(\d+) times the same protocol sent statement by statement on one hot row", Npgsql + "one hot row")]
    [InlineData(@"statement by statement on one hot row, and (\d+) times on separate rows", Npgsql + "separate rows")]
    public void A_whole_multiple_of_the_readme_is_the_rounded_one_of_the_table(string words, string claim)
    {
        var quoted = Regex.Match(Speed, words, RegexOptions.None, TimeSpan.FromSeconds(10)).Groups[1].Value;

        Assert.Equal($"{MeasuredFor(claim):F0}", quoted);
    }

    [Theory]
    [InlineData("with a third of its processor time on the server", Server + "one hot row", 0.29, 0.38)]
    [InlineData("less than twice the median, with 8, 32 and 128 callers", Tail + "8 callers, one hot row", 1, 2)]
    [InlineData("less than twice the median, with 8, 32 and 128 callers", Tail + "32 callers, one hot row", 1, 2)]
    [InlineData("less than twice the median, with 8, 32 and 128 callers", Tail + "128 callers, one hot row", 1, 2)]
    public void What_the_readme_says_in_words_fits_the_table(string words, string claim, double least, double below)
    {
        var measured = MeasuredFor(claim);

        Assert.Contains(words, Speed, StringComparison.Ordinal);
        Assert.True(least <= measured && measured < below, $"{measured} was measured.");
    }

    // On one line, as words can be wrapped anywhere.
    private static string Section(string page, string from, string to) =>
        page[page.IndexOf(from, StringComparison.Ordinal)..page.IndexOf(to, StringComparison.Ordinal)].ReplaceLineEndings(" ");

    // | claim, sets of … | required | measured | met |
    private static double MeasuredFor(string claim)
    {
        var row = Assert.Single(Summary.Split('\n'), line => line.StartsWith($"| {claim}, ", StringComparison.Ordinal));
        return double.Parse(row.Split('|')[3], CultureInfo.InvariantCulture);
    }

    private static void AssertMeasured(string section)
    {
        var figures = Figure().Matches(section).Select(static figure => figure.Value).ToArray();

        Assert.NotEmpty(figures);
        Assert.Empty(figures.Except(Measured));
    }

    [GeneratedRegex(@"\b\d+\.\d\d\b", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Figure();

    [GeneratedRegex(
        "^<!-- figures: .*?^<!-- end of figures -->$", RegexOptions.Multiline | RegexOptions.Singleline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Tables();
}
