namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>One way to merge changes into a stack's row.</summary>
internal interface IContestant : IAsyncDisposable
{
    /// <summary>Merges.</summary>
    /// <returns>The whole set after the merge; <see langword="null"/> from those that cannot tell.</returns>
    Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes);
}
