using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>The figures that the pages quote from the tables that the benchmarks write.</summary>
public sealed partial class FigureTests
{
    private static readonly string Summary = new Document("docs/performance.md").Text;

    private static readonly HashSet<string> Measured =
    [
        .. Tables().Matches(Summary + new Document("docs/performance-appendix.md").Text)
            .SelectMany(static table => Figure().Matches(table.Value))
            .Select(static figure => figure.Value),
    ];

    [Fact]
    public void The_results_of_the_page_about_performance_are_in_its_tables() => AssertMeasured(Summary, "## Results", "## Plots");

    [Fact]
    public void The_figures_of_the_readme_are_in_the_tables() =>
        AssertMeasured(new Document("README.md").Text, "## Speed", "## See it work");

    private static void AssertMeasured(string page, string from, string to)
    {
        var section = page[page.IndexOf(from, StringComparison.Ordinal)..page.IndexOf(to, StringComparison.Ordinal)];
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
