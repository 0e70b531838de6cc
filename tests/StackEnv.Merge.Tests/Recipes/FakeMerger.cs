namespace StackEnv.Merge.Tests.Recipes;

public sealed class FakeMerger : IStackEnvMerger
{
    public StackEnvMergeException? Failure { get; set; }

    public IReadOnlyDictionary<string, string?>? LastChanges { get; private set; }

    public Task<MergeResult> MergeAsync(
        StackRef stack, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken = default)
    {
        LastChanges = changes;
        return Failure is null
            ? Task.FromResult(new MergeResult
            {
                Env = new Dictionary<string, string>(),
                KeysSet = changes.Count,
                KeysDeleted = 0,
                TotalAfter = 0,
                Changed = true,
            })
            : Task.FromException<MergeResult>(Failure);
    }
}
