using System.Diagnostics;
using System.Reflection;
using System.Xml.Linq;

namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>
/// The library, packed once as it was built for these tests, and a project outside the repository for each code block that uses it.
/// </summary>
[CollectionDefinition(Collection)]
public sealed class PackedLibrary : IAsyncLifetime, ICollectionFixture<PackedLibrary>
{
    public const string Collection = "packed library";

    /// <summary>The id of the package.</summary>
    public const string Library = "StackEnv.Merge";

    private static readonly ILookup<string, string?> BuiltWith = typeof(PackedLibrary).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>()
        .ToLookup(static attribute => attribute.Key, static attribute => attribute.Value, StringComparer.Ordinal);

    private readonly string _folder = Directory.CreateTempSubdirectory("stackenv-package-").FullName;

    public string Package => Directory.GetFiles(_folder, "*.nupkg").Single();

    /// <summary>Packs the library and builds all of its consumers at once.</summary>
    public async Task InitializeAsync()
    {
        var library = Path.Combine(Document.Root, "src", "StackEnv.Merge");
        await DotnetAsync([], "pack", library, "--no-build", "--output", _folder, "--configuration", BuiltWith["Configuration"].Single()!);

        // The package comes from its folder alone, the others from where this build's restore has put them: nothing is downloaded, and
        // no package that an earlier run has left is taken for this one.
        Write("Directory.Build.props", $"""
            <Project>
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <!-- This build's restore may have brought a newer version than a package asks for. -->
                <NoWarn>NU1603</NoWarn>
                <RestoreSources>{_folder}</RestoreSources>
                <RestoreFallbackFolders>{BuiltWith["NuGetPackageRoot"].Single()}</RestoreFallbackFolders>
                <RestorePackagesPath>{Path.Combine(_folder, "packages")}</RestorePackagesPath>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="{Library}" Version="*-*" />
              </ItemGroup>
            </Project>
            """);
        var blocks = Document.Pages().SelectMany(static page => page.Blocks).ToDictionary(static block => block.Place);
        foreach (var consumer in Consumer.All)
        {
            var block = blocks[consumer.Block];
            var packages = consumer.Packages ?? [.. block.Packages.Where(static package => package is not Library)];
            Write($"{consumer.Name}/{consumer.Name}.csproj", $"""
                <Project Sdk="{Sdk(block.Template)}">
                  <ItemGroup>
                    {string.Concat(packages.Select(Reference))}
                  </ItemGroup>
                </Project>
                """);
            Write($"{consumer.Name}/Block.cs", block.Text);
            if (consumer.Caller is { } caller)
            {
                Write($"{consumer.Name}/Caller.cs", caller);
            }
        }

        var projects = Consumer.All.Select(static consumer => $"""<Project Path="{consumer.Name}/{consumer.Name}.csproj" />""");
        Write("Consumers.slnx", $"<Solution>{string.Concat(projects)}</Solution>");
        await DotnetAsync([], "build", "Consumers.slnx");
    }

    public Task DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>Runs a consumer to its end and returns what it printed.</summary>
    public Task<string> RunAsync(Consumer consumer, string connectionString, params string[] arguments) =>
        DotnetAsync([("STACKENV_POSTGRES", connectionString)], [Program(consumer), .. arguments]);

    /// <summary>Starts a consumer that is a host; a web host listens on a free port.</summary>
    public HostProcess Start(Consumer consumer, string connectionString) =>
        new(Process.Start(DotnetStart(
            [("ConnectionStrings__Database", connectionString), ("ASPNETCORE_URLS", "http://127.0.0.1:0")], [Program(consumer)]))!);

    /// <summary>What was restored for a consumer.</summary>
    public string AssetsOf(Consumer consumer) => Path.Combine(_folder, consumer.Name, "obj", "project.assets.json");

    private static string Sdk(string? template) => template switch
    {
        "web" => "Microsoft.NET.Sdk.Web",
        "worker" => "Microsoft.NET.Sdk.Worker",
        "console" or null => "Microsoft.NET.Sdk",
        _ => throw new InvalidOperationException($"No code block is known that goes into a project made by 'dotnet new {template}'."),
    };

    private static string Reference(string package) => $"""<PackageReference Include="{package}" Version="{Version(package)}" />""";

    private static string Version(string package) =>
        (string)XDocument.Load(Path.Combine(Document.Root, "Directory.Packages.props"))
            .Descendants("PackageVersion")
            .Single(version => string.Equals((string?)version.Attribute("Include"), package, StringComparison.Ordinal))
            .Attribute("Version")!;

    private string Program(Consumer consumer) => Path.Combine(_folder, consumer.Name, "bin", "Debug", "net10.0", $"{consumer.Name}.dll");

    private void Write(string file, string text)
    {
        var path = Path.Combine(_folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private async Task<string> DotnetAsync((string Name, string Value)[] environment, params string[] arguments)
    {
        using var process = Process.Start(DotnetStart(environment, arguments))!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(5));
        Assert.True(
            process.ExitCode == 0, $"dotnet {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{await output}\n{await errors}");
        return await output;
    }

    private ProcessStartInfo DotnetStart((string Name, string Value)[] environment, string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = _folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The outer `dotnet test` sets variables for its own MSBuild that must not reach this one.
        foreach (var name in start.Environment.Keys.Where(
            static name =>
                name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase)
                    || name.StartsWith("VSTEST", StringComparison.Ordinal)).ToArray())
        {
            start.Environment.Remove(name);
        }

        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return start;
    }
}
