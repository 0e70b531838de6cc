using System.Globalization;
using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>The layout of the sources that no analyzer checks.</summary>
public sealed partial class LayoutTests
{
    private static readonly string[] Folders = ["src", "samples", "tests", "eng"];

    [Fact]
    public void No_line_is_longer_than_the_editorconfig_says()
    {
        var editorConfig = File.ReadAllText(Path.Combine(Document.Root, ".editorconfig"));
        var limit = int.Parse(Limit().Match(editorConfig).Groups["limit"].Value, CultureInfo.InvariantCulture);

        var tooLong =
            from folder in Folders
            from file in Document.Under(folder, "*.cs")
            from line in File.ReadLines(Path.Combine(Document.Root, file)).Index()
            where line.Item.Length > limit
            select $"{file}:{line.Index + 1} has {line.Item.Length} characters";

        Assert.Empty(tooLong);
    }

    [GeneratedRegex(
        @"^max_line_length = (?<limit>\d+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Limit();
}
