using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text.Json;
using System.Xml.Linq;

namespace StackEnv.Merge.Tests;

/// <summary>What the package promises to NuGet and to a debugger.</summary>
// Packing writes beside the sources, as the other package tests do: not at the same time.
[Collection(nameof(PackageContentTests))]
[CollectionDefinition(nameof(PackageContentTests), DisableParallelization = true)]
public sealed class PackageContentTests(PackedLibrary packed) : DatabaseTest, IClassFixture<PackedLibrary>
{
    private static readonly Guid EmbeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    private static readonly string[] LowestVersions =
    [
        "Microsoft.Extensions.DependencyInjection.Abstractions/10.0.0",
        "Microsoft.Extensions.Logging.Abstractions/10.0.0",
        "Npgsql/10.0.3",
    ];

    [Fact]
    public void Its_dependencies_are_no_newer_than_they_have_to_be()
    {
        var dependencies = Nuspec("dependency").Select(static element => $"{(string?)element.Attribute("id")}/{(string?)element.Attribute("version")}");

        Assert.Equal(LowestVersions, dependencies.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_merge_works_with_the_lowest_versions_of_its_dependencies()
    {
        var id = await Database.InsertAsync("""{"OLD": "1"}""");
        var consumer = packed.ConsumerOf("lowest", "Microsoft.NET.Sdk", $$"""
            using Microsoft.Extensions.Logging.Abstractions;
            using Npgsql;
            using StackEnv.Merge;

            await using var database = NpgsqlDataSource.Create(Environment.GetEnvironmentVariable("STACKENV_POSTGRES")!);
            var merger = new StackEnvMerger(database, logger: NullLogger<StackEnvMerger>.Instance);
            Console.WriteLine(await merger.MergeAsync(new Guid("{{id}}"), new Dictionary<string, string?> { ["NEW"] = "2", ["OLD"] = null }));
            """);

        var output = await packed.RunAsync("run", consumer, ("STACKENV_POSTGRES", Database.ConnectionString));

        Assert.Equal("1 set, 1 deleted, 1 in all", output.Trim());
        using var assets = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(consumer, "obj", "project.assets.json")));
        var restored = assets.RootElement.GetProperty("libraries").EnumerateObject().Select(static library => library.Name);
        Assert.Equal(LowestVersions, restored.Where(static name => !name.StartsWith("StackEnv.Merge/", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Its_release_notes_begin_with_its_version() =>
        Assert.Equal(
            Assert.Single(Nuspec("version")).Value,
            Assert.Single(Nuspec("releaseNotes")).Value.Split('\n').First(static line => line.StartsWith("## [", StringComparison.Ordinal)).Split('[', ']')[1]);

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
}
