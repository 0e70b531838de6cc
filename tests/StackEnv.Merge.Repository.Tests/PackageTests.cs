using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>What the package promises to NuGet, to those who restore it and to a debugger.</summary>
[Collection(PackedLibrary.Collection)]
public sealed partial class PackageTests(PackedLibrary packed)
{
    private static readonly Guid EmbeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    private static readonly string[] LowestVersions =
    [
        "Microsoft.Extensions.DependencyInjection.Abstractions/10.0.0",
        "Microsoft.Extensions.Logging.Abstractions/10.0.0",
        "Npgsql/10.0.3",
    ];

    [Fact]
    public void It_has_its_page_the_licence_the_icon_and_the_docs()
    {
        using var package = ZipFile.OpenRead(packed.Package);

        Assert.Superset(
            new HashSet<string>(
                ["PACKAGE.md", "LICENSE", "icon.png", "lib/net10.0/StackEnv.Merge.dll", "lib/net10.0/StackEnv.Merge.xml"],
                StringComparer.Ordinal),
            package.Entries.Select(static entry => entry.FullName).ToHashSet(StringComparer.Ordinal));
        Assert.Equal("MIT", Assert.Single(Nuspec("license")).Value);
        Assert.Equal(("PACKAGE.md", "icon.png"), (Assert.Single(Nuspec("readme")).Value, Assert.Single(Nuspec("icon")).Value));
    }

    [Fact]
    public void Its_dependencies_are_no_newer_than_they_have_to_be()
    {
        var dependencies = Nuspec("dependency").Select(
            static element => $"{(string?)element.Attribute("id")}/{(string?)element.Attribute("version")}");

        Assert.Equal(LowestVersions, dependencies.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_console_project_restores_them_and_nothing_else()
    {
        using var assets = JsonDocument.Parse(File.ReadAllText(packed.AssetsOf(Consumer.Console)));

        var restored = assets.RootElement.GetProperty("libraries").EnumerateObject().Select(static library => library.Name);

        Assert.Equal(LowestVersions, restored.Where(static name => !name.StartsWith("StackEnv.Merge/", StringComparison.Ordinal)).Order(
            StringComparer.Ordinal));
    }

    [Fact]
    public void Its_release_notes_are_those_of_its_version_alone()
    {
        var notes = Assert.Single(Nuspec("releaseNotes")).Value;

        Assert.Equal(
            Assert.Single(Nuspec("version")).Value,
            Assert.Single(Heading().Matches(notes)).Groups["version"].Value);
        Assert.Contains(notes, new Infrastructure.Document("CHANGELOG.md").Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_page_is_short_and_works_outside_the_repository()
    {
        using var package = ZipFile.OpenRead(packed.Package);
        using var entry = package.GetEntry("PACKAGE.md")!.Open();
        using var reader = new StreamReader(entry);
        var page = reader.ReadToEnd();
        var prose = CodeBlock().Replace(page, "");

        Assert.InRange(prose.Split((char[]?)null).Count(static word => word.Any(char.IsLetter)), 60, 200);
        Assert.All(
            Link().Matches(page),
            link => Assert.StartsWith(Assert.Single(Nuspec("projectUrl")).Value, link.Groups["target"].Value, StringComparison.Ordinal));
        Assert.DoesNotContain("![", page, StringComparison.Ordinal);
        Assert.DoesNotContain("<", prose, StringComparison.Ordinal);
        Assert.DoesNotContain("```mermaid", page, StringComparison.Ordinal);
        Assert.All(
            Failures.All, failure => Assert.Contains($"`{failure.GetType().Name}`", page, StringComparison.Ordinal));
    }

    [Fact]
    public void Its_symbols_hold_every_source()
    {
        using var symbols = ZipFile.OpenRead(Path.ChangeExtension(packed.Package, ".snupkg"));
        using var pdb = new MemoryStream();
        using (var entry = symbols.GetEntry("lib/net10.0/StackEnv.Merge.pdb")!.Open())
        {
            entry.CopyTo(pdb);
        }

        pdb.Position = 0;
        using var provider = MetadataReaderProvider.FromPortablePdbStream(pdb);
        var reader = provider.GetMetadataReader();

        Assert.NotEmpty(reader.Documents);
        Assert.All(reader.Documents, document => Assert.Contains(
            reader.GetCustomDebugInformation(document),
            information => reader.GetGuid(reader.GetCustomDebugInformation(information).Kind) == EmbeddedSource));
    }

    private XElement[] Nuspec(string name)
    {
        using var package = ZipFile.OpenRead(packed.Package);
        using var nuspec = package.GetEntry("StackEnv.Merge.nuspec")!.Open();
        return [.. XDocument.Load(nuspec).Descendants().Where(element => element.Name.LocalName == name)];
    }

    [GeneratedRegex(
        @"^## \[(?<version>[^\]]+)\]", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Heading();

    [GeneratedRegex(@"\]\((?<target>[^)]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Link();

    [GeneratedRegex("^```.*?^```$", RegexOptions.Multiline | RegexOptions.Singleline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex CodeBlock();
}
