namespace StackEnv.Merge.Repository.Tests;

/// <summary>Links between the documents, and from them to files.</summary>
public sealed class LinkTests
{
    [Fact]
    public void Every_relative_link_points_to_a_file_and_a_heading_that_exist()
    {
        string[] names =
        [
            .. Directory.GetFiles(Document.Root, "*.md").Select(static path => Path.GetFileName(path)),
            .. Document.Under("docs", "*.md"),
            .. Document.Under("samples", "README.md"),
        ];

        var broken = names.Select(static name => new Document(name))
            .SelectMany(static page => page.Links.Where(link => !Exists(page, link)).Select(link => $"{page.Name}: {link}"));

        Assert.Empty(broken);
    }

    private static bool Exists(Document page, string link)
    {
        var (path, heading) = link.Split('#') is [var file, var anchor] ? (file, anchor) : (link, null);
        var target = path.Length == 0 ? page.Target(Path.GetFileName(page.Name)) : page.Target(path);
        return Path.Exists(target)
            && (heading is null || new Document(Path.GetRelativePath(Document.Root, target)).Anchors.Contains(heading));
    }
}
