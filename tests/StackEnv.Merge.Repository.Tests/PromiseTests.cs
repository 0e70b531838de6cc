using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>Each test that the docs name for a promise exists.</summary>
public sealed partial class PromiseTests
{
    [Fact]
    public void Every_test_that_a_page_names_exists()
    {
        var tests = Document.Under("tests", "*Tests.cs").Select(static path => Path.GetFileNameWithoutExtension(path)).ToHashSet();
        var named = Document.Pages()
            .SelectMany(static page => TestName.Matches(page.Text).Select(static match => match.Groups["name"].Value))
            .Distinct(StringComparer.Ordinal)
            .ToList();

        Assert.True(named.Count > 50, $"Only {named.Count} tests are named.");
        Assert.Empty(named.Except(tests));
    }

    [GeneratedRegex(@"`(?<name>[A-Z]\w*Tests)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex TestName { get; }
}
