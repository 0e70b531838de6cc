using PublicApiGenerator;

namespace StackEnv.Merge.Tests;

/// <summary>What users compile against, and what failures say to them.</summary>
public sealed class PublicSurfaceTests
{
    private static readonly StackRef Stack = ((StackRef)"shop").OwnedBy(7);

    // One of each leaf; a host that fakes the merger makes them like this.
    internal static StackEnvMergeException[] Failures =>
    [
        new InvalidEnvKeyException(Stack, "bad\nkey"),
        new InvalidEnvValueException(Stack, "KEY", "contains NUL (U+0000), which PostgreSQL cannot store"),
        new EnvTooLargeException(Stack, 65_537, 65_536),
        new StackNotFoundException(Stack),
        new StackDeletingException(Stack, "deleting"),
        new StoredEnvInvalidException(Stack),
        new LockTimeoutException(Stack, TimeSpan.FromSeconds(3)),
        new MergeOutcomeUnknownException(Stack),
        new StackEnvStoreException(Stack, "PostgreSQL reported SQLSTATE 53300: sorry, too many clients already.", "53300", isTransient: true),
    ];

    [Fact]
    public async Task The_public_API() =>
        await Verifier.Verify(typeof(IStackEnvMerger).Assembly.GeneratePublicApi(new() { IncludeAssemblyAttributes = false }));

    [Fact]
    public async Task The_messages_of_all_failures() =>
        await Verifier.Verify(string.Join("\n\n", Failures.Select(static failure =>
            $"{failure.GetType().Name}: {failure.ErrorCode}{(failure.IsTransient ? ", transient" : "")}\n{failure.Message}")));

    [Fact]
    public void Every_failure_is_a_sealed_leaf_of_one_family_and_none_is_a_DbException()
    {
        var leaves = typeof(StackEnvMergeException).Assembly.GetExportedTypes().Where(static type => type.IsSubclassOf(typeof(Exception)) && !type.IsAbstract).ToHashSet();

        Assert.Equal(Failures.Select(static failure => failure.GetType()).ToHashSet(), leaves);
        Assert.All(leaves, static leaf => Assert.True(leaf.IsSealed && leaf.BaseType == typeof(StackEnvMergeException)));
        Assert.False(typeof(StackEnvMergeException).IsSubclassOf(typeof(System.Data.Common.DbException)));
    }

    [Fact]
    public void A_failure_is_of_some_key() =>
        Assert.Throws<ArgumentNullException>(static () => new InvalidEnvKeyException(Stack, null!));

    [Fact]
    public void The_library_depends_on_three_packages_and_no_others()
    {
        var ours = typeof(IStackEnvMerger).Assembly.GetReferencedAssemblies()
            .Select(static assembly => assembly.Name!)
            .Where(static name => !name.StartsWith("System.", StringComparison.Ordinal));

        Assert.Equal(["Microsoft.Extensions.DependencyInjection.Abstractions", "Microsoft.Extensions.Logging.Abstractions", "Npgsql"], ours.Order(StringComparer.Ordinal));
    }
}
