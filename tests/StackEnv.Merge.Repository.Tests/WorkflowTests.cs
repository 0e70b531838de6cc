using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>The workflows of GitHub Actions.</summary>
public sealed partial class WorkflowTests
{
    [Fact]
    public void Every_action_is_pinned_by_its_commit_and_says_which_version_that_is()
    {
        var actions = Directory.GetFiles(Path.Combine(Document.Root, ".github", "workflows"), "*.yml")
            .SelectMany(static path => File.ReadAllLines(path))
            .Where(static line => line.Contains("uses:", StringComparison.Ordinal) && !line.Contains("uses: ./", StringComparison.Ordinal));

        Assert.NotEmpty(actions);
        Assert.All(actions, static line => Assert.Matches(Pinned(), line));
    }

    [GeneratedRegex(
        @"uses: [\w.-]+(/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Pinned();
}
