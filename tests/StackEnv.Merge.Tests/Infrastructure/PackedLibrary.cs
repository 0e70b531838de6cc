using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace StackEnv.Merge.Tests.Infrastructure;

/// <summary>The library, packed once as it was built for these tests, and a folder for projects that use it.</summary>
public sealed partial class PackedLibrary : IAsyncLifetime
{
    private static readonly ILookup<string, string?> BuiltWith = typeof(PackedLibrary).Assembly
        .GetCustomAttributes<AssemblyMetadataAttribute>()
        .ToLookup(static attribute => attribute.Key, static attribute => attribute.Value, StringComparer.Ordinal);

    private readonly string _folder = Directory.CreateTempSubdirectory("stackenv-package-").FullName;

    public string Package => Directory.GetFiles(_folder, "*.nupkg").Single();

    public IReadOnlyList<string> ReadmeBlocks { get; } =
        [.. CSharpBlock().Matches(File.ReadAllText(Path.Combine(Root(), "README.md"))).Select(static match => match.Groups["code"].Value)];

    public async Task InitializeAsync() =>
        await RunAsync("pack", Path.Combine(Root(), "src", "StackEnv.Merge"), [], "--no-build", "--output", _folder, "--configuration", BuiltWith["Configuration"].Single()!);

    public Task DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    /// <summary>A new project with nothing in it but this program and the package.</summary>
    public string ConsumerOf(string name, string sdk, string program, string morePackages = "")
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.WriteAllText(Path.Combine(folder, "Program.cs"), program);

        // The package comes from its folder alone, the others from where this build's restore has put them: nothing is downloaded, and
        // no package that an earlier run has left is taken for this one.
        File.WriteAllText(Path.Combine(folder, $"{name}.csproj"), $"""
            <Project Sdk="{sdk}">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <RestoreSources>{_folder}</RestoreSources>
                <RestoreFallbackFolders>{BuiltWith["NuGetPackageRoot"].Single()}</RestoreFallbackFolders>
                <RestorePackagesPath>{Path.Combine(_folder, "packages")}</RestorePackagesPath>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="StackEnv.Merge" Version="*-*" />
                {morePackages}
              </ItemGroup>
            </Project>
            """);
        return folder;
    }

    /// <summary>Runs one command of the SDK and returns what it printed.</summary>
    public Task<string> RunAsync(string command, string project, params (string Name, string Value)[] environment) => RunAsync(command, project, environment, []);

    private async Task<string> RunAsync(string command, string project, (string Name, string Value)[] environment, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [command, .. arguments, .. command is "run" ? ["--project", project] : new[] { project }])
        {
            WorkingDirectory = _folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // The outer `dotnet test` tells its own MSBuild things that are not for this one.
        foreach (var name in start.Environment.Keys.Where(static name => name.StartsWith("MSBuild", StringComparison.OrdinalIgnoreCase) || name.StartsWith("VSTEST", StringComparison.Ordinal)).ToArray())
        {
            start.Environment.Remove(name);
        }

        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(5));
        Assert.True(process.ExitCode == 0, $"dotnet {command} ended with {process.ExitCode}:\n{await output}\n{await errors}");
        return await output;
    }

    private static string Root([CallerFilePath] string thisFile = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(thisFile)!, "..", "..", ".."));

    [GeneratedRegex("^```csharp\n(?<code>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex CSharpBlock();
}
