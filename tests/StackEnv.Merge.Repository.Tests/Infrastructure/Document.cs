using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>A Markdown page of the repository: its code blocks, and what it can be linked by and links to.</summary>
public sealed partial class Document
{
    /// <summary>The repository's folder.</summary>
    public static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", ".."));

    /// <summary>What nuget.org shows of the package.</summary>
    public const string PackagePage = "src/StackEnv.Merge/PACKAGE.md";

    private readonly string _path;

    public Document(string name)
    {
        Name = name;
        _path = Path.Combine(Root, name);
        Text = File.ReadAllText(_path).ReplaceLineEndings("\n");
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var introduction = 0;
        Blocks =
        [
            .. Fence().Matches(Text).Select(fence =>
            {
                var language = fence.Groups["language"].Value;
                var number = numbers[language] = numbers.GetValueOrDefault(language) + 1;
                var block = new CodeBlock(new(name, language, number), fence.Groups["code"].Value, Text[introduction..fence.Index]);
                introduction = language is "csharp" ? fence.Index + fence.Length : introduction;
                return block;
            }),
        ];

        var prose = Fence().Replace(Text, "");
        Anchors = [.. Heading().Matches(prose).Select(static heading => Anchor(heading.Groups["title"].Value))];
        Links = [.. Link().Matches(prose).Select(static link => link.Groups["target"].Value).Where(
            static target => !target.Contains("://", StringComparison.Ordinal))];
    }

    /// <summary>The path from the repository's root.</summary>
    public string Name { get; }

    public string Text { get; }

    public IReadOnlyList<CodeBlock> Blocks { get; }

    /// <summary>What <c>#…</c> can name, as GitHub derives it from the headings.</summary>
    public HashSet<string> Anchors { get; }

    /// <summary>The links that stay inside the repository.</summary>
    public IReadOnlyList<string> Links { get; }

    /// <summary>The pages whose code blocks are run: the front page, the package's page and all under <c>docs</c>.</summary>
    public static IEnumerable<Document> Pages() =>
        Under("docs", "*.md").Prepend(PackagePage).Prepend("README.md").Select(static name => new Document(name));

    /// <summary>The paths of files below a folder of the repository, in order.</summary>
    public static IEnumerable<string> Under(string folder, string pattern) =>
        Directory.GetFiles(Path.Combine(Root, folder), pattern, SearchOption.AllDirectories)
            .Select(static path => Path.GetRelativePath(Root, path).Replace('\\', '/'))
            .Where(static path => !path.Contains("/bin/", StringComparison.Ordinal) && !path.Contains("/obj/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);

    /// <summary>The file or folder that a link points to, whether it exists or not.</summary>
    public string Target(string link) => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(_path)!, link));

    private static string ThisFile([CallerFilePath] string path = "") => path;

#pragma warning disable CA1308 // Anchors are lower case.
    private static string Anchor(string title) => NotInAnchors().Replace(title.ToLowerInvariant(), "").Replace(' ', '-');
#pragma warning restore CA1308

    [GeneratedRegex(
        "^```(?<language>[^\n]*)\n(?<code>.*?)^```$",
        RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Fence();

    [GeneratedRegex("^#+ (?<title>[^\n]+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Link();

    [GeneratedRegex(@"[^\w\- ]", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex NotInAnchors();
}
