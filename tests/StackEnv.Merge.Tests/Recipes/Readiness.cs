namespace StackEnv.Merge.Tests.Recipes;

public static class Readiness
{
    private static readonly Dictionary<string, string?> Nothing = [];

    public static async Task CheckAsync(IStackEnvMerger merger, StackRef noSuchStack, CancellationToken cancellationToken)
    {
        try
        {
            await merger.MergeAsync(noSuchStack, Nothing, cancellationToken);
        }
        catch (StackNotFoundException)
        {
            // The connection, the table and the privileges are in order.
        }
    }
}
