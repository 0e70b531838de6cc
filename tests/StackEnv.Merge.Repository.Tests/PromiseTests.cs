using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>Each test that the docs name for a promise exists, and each that the list of those not on Citus names.</summary>
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

    [Fact]
    public void Every_method_of_a_test_that_a_text_names_exists()
    {
        var methods = Document.Under("tests", "*Tests.cs")
            .Select(static path => File.ReadAllText(Path.Combine(Document.Root, path)))
            .SelectMany(static source => MethodName.Matches(source).Select(static match => match.Value))
            .ToHashSet(StringComparer.Ordinal);
        var named = Document.Pages().Append(new("tests/StackEnv.Merge.Tests/not-on-citus.txt"))
            .SelectMany(static page => MethodName.Matches(page.Text).Select(static match => match.Value))
            .Distinct(StringComparer.Ordinal)
            .ToList();

        Assert.True(named.Count > 40, $"Only {named.Count} methods are named.");
        Assert.Empty(named.Except(methods));
    }

    // Tests are named by sentences.
    [GeneratedRegex(@"\b[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+){3,}\b", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex MethodName { get; }

    [GeneratedRegex(@"`(?<name>[A-Z]\w*Tests)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex TestName { get; }
}
