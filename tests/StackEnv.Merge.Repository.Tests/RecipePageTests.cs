using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>The code of docs/recipes.md is what the library's tests compile and run.</summary>
public sealed partial class RecipePageTests
{
    public const string Page = "docs/recipes.md";
    private const string Tested = "tests/StackEnv.Merge.Tests/Recipes";

    [Fact]
    public void Each_class_of_the_page_is_one_that_the_tests_run_word_for_word()
    {
        var shown = new Document(Page).Blocks.Where(static block => block.Place.Language is "csharp").ToDictionary(
            static block => ClassName.Match(block.Text).Groups["name"].Value, static block => Code(block.Text), StringComparer.Ordinal);
        var tested = Document.Under(Tested, "*.cs")
            .Where(static path => !path.EndsWith("Tests.cs", StringComparison.Ordinal))
            .ToDictionary(
                static path => Path.GetFileNameWithoutExtension(path),
                static path => Code(File.ReadAllText(Path.Combine(Document.Root, path))),
                StringComparer.Ordinal);

        Assert.Equal(tested, shown);
    }

    // Without what depends on its place in the file.
    private static string Code(string text) => string.Join(
        '\n',
        text.ReplaceLineEndings("\n").Split('\n').Where(static line =>
            line.Length > 0 && line is not "using StackEnv.Merge;" && !line.StartsWith("namespace ", StringComparison.Ordinal)));

    [GeneratedRegex(@"class (?<name>\w+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ClassName { get; }
}
