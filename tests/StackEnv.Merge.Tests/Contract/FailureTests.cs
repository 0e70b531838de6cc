namespace StackEnv.Merge.Tests;

/// <summary>The family of exceptions, and what each one says.</summary>
public sealed class FailureTests
{
    [Fact]
    public async Task The_messages_of_all_failures() =>
        await Verifier.Verify(string.Join("\n\n", Failures.All.Select(static failure =>
            $"{failure.GetType().Name}: {failure.ErrorCode}{(failure.IsTransient ? ", transient" : "")}\n{failure.Message}")));

    [Fact]
    public void Every_failure_is_a_sealed_leaf_of_one_family_and_none_is_a_DbException()
    {
        var leaves = typeof(StackEnvMergeException).Assembly.GetExportedTypes()
            .Where(static type => type.IsSubclassOf(typeof(Exception)) && !type.IsAbstract)
            .ToHashSet();

        Assert.Equal(Failures.All.Select(static failure => failure.GetType()).ToHashSet(), leaves);
        Assert.All(leaves, static leaf => Assert.True(leaf.IsSealed && leaf.BaseType == typeof(StackEnvMergeException)));
        Assert.False(typeof(StackEnvMergeException).IsSubclassOf(typeof(System.Data.Common.DbException)));
    }

    [Fact]
    public void A_failure_needs_a_key() =>
        Assert.Throws<ArgumentNullException>(static () => new InvalidEnvKeyException(Failures.Stack, null!));
}
