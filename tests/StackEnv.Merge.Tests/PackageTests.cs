using System.IO.Compression;
using System.Xml.Linq;

namespace StackEnv.Merge.Tests;

/// <summary>The package as a user gets it, and the README's code as a user would paste it into an empty project.</summary>
public sealed class PackageTests(PackedLibrary packed) : DatabaseTest, IClassFixture<PackedLibrary>
{
    [Fact]
    public void It_has_the_readme_the_licence_the_icon_and_the_docs()
    {
        using var package = ZipFile.OpenRead(packed.Package);

        Assert.Superset(
            new HashSet<string>(["README.md", "LICENSE", "icon.png", "lib/net10.0/StackEnv.Merge.dll", "lib/net10.0/StackEnv.Merge.xml"], StringComparer.Ordinal),
            package.Entries.Select(static entry => entry.FullName).ToHashSet(StringComparer.Ordinal));
        Assert.Equal("MIT", (string?)Metadata(package, "license"));
        Assert.Equal(("README.md", "icon.png"), ((string?)Metadata(package, "readme"), (string?)Metadata(package, "icon")));
    }

    [Fact]
    public void It_depends_on_three_packages_and_no_others()
    {
        using var package = ZipFile.OpenRead(packed.Package);

        var dependencies = Metadata(package, "dependencies").Descendants()
            .Where(static element => element.Name.LocalName is "dependency")
            .Select(static element => (string?)element.Attribute("id"));

        Assert.Equal(["Microsoft.Extensions.DependencyInjection.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "Npgsql"], dependencies.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Its_symbols_are_a_package_of_their_own()
    {
        using var symbols = ZipFile.OpenRead(Path.ChangeExtension(packed.Package, ".snupkg"));

        Assert.Contains(symbols.Entries, static entry => entry.FullName is "lib/net10.0/StackEnv.Merge.pdb");
    }

    [Fact]
    public async Task The_readmes_first_code_block_runs_in_an_empty_console_project()
    {
        var output = await packed.RunAsync(
            "run",
            packed.ConsumerOf("console", "Microsoft.NET.Sdk", packed.ReadmeBlocks[0]),
            ("STACKENV_POSTGRES", Database.ConnectionString));

        Assert.Equal("2 set, 1 deleted, 2 in all", output.Trim());
    }

    [Fact]
    public async Task Every_other_code_block_of_the_readme_compiles_in_an_empty_web_project()
    {
        Assert.NotEmpty(packed.ReadmeBlocks.Skip(1));
        foreach (var (block, number) in packed.ReadmeBlocks.Skip(1).Select(static (block, index) => (block, index + 2)))
        {
            await packed.RunAsync(
                "build",
                packed.ConsumerOf($"block{number}", "Microsoft.NET.Sdk.Web", block, """<PackageReference Include="Npgsql.DependencyInjection" Version="10.0.3" />"""));
        }
    }

    private static XElement Metadata(ZipArchive package, string name)
    {
        using var nuspec = package.Entries.Single(static entry => entry.Name.EndsWith(".nuspec", StringComparison.Ordinal)).Open();
        return XDocument.Load(nuspec).Descendants().Single(element => string.Equals(element.Name.LocalName, name, StringComparison.Ordinal));
    }
}
