namespace StackEnv.Merge.Tests.Recipes;

public sealed class EncryptingMerger(IStackEnvMerger inner, Func<string, string> encrypt, Func<string, string> decrypt) : IStackEnvMerger
{
    public async Task<MergeResult> MergeAsync(
        StackRef stack, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken = default)
    {
        var encrypted = changes.ToDictionary(
            change => change.Key, change => string.IsNullOrEmpty(change.Value) ? change.Value : encrypt(change.Value));
        var result = await inner.MergeAsync(stack, encrypted, cancellationToken);
        return new()
        {
            Env = result.Env.ToDictionary(pair => pair.Key, pair => decrypt(pair.Value)),
            KeysSet = result.KeysSet,
            KeysDeleted = result.KeysDeleted,
            TotalAfter = result.TotalAfter,
            Changed = result.Changed,
            AddedKeys = result.AddedKeys,
            UpdatedKeys = result.UpdatedKeys,
            DeletedKeys = result.DeletedKeys,
            Version = result.Version,
        };
    }
}
