using PublicApiGenerator;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>What users compile against.</summary>
public sealed class PublicSurfaceTests
{
    [Fact]
    public async Task The_public_API() =>
        await Verifier.Verify(typeof(IStackEnvMerger).Assembly.GeneratePublicApi(new() { IncludeAssemblyAttributes = false }));

    [Fact]
    public void The_library_depends_on_three_packages_and_no_others()
    {
        var ours = typeof(IStackEnvMerger).Assembly.GetReferencedAssemblies()
            .Select(static assembly => assembly.Name!)
            .Where(static name => !name.StartsWith("System.", StringComparison.Ordinal));

        Assert.Equal(
            ["Microsoft.Extensions.DependencyInjection.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "Npgsql"],
            ours.Order(StringComparer.Ordinal));
    }
}
