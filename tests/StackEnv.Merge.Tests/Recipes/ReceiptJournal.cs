using Npgsql;

namespace StackEnv.Merge.Tests.Recipes;

public sealed class ReceiptJournal : IStackEnvMergeJournal
{
    private static readonly AsyncLocal<Guid?> Current = new();

    public static async Task<bool> OnceAsync(Guid requestId, Func<Task<MergeResult>> merge)
    {
        Current.Value = requestId;
        try
        {
            await merge();
            return true;
        }
        catch (StackEnvStoreException failure) when (failure.SqlState is PostgresErrorCodes.UniqueViolation)
        {
            return false;
        }
    }

    public IEnumerable<NpgsqlBatchCommand> Record(StackRef stack, MergeResult result)
    {
        if (Current.Value is { } requestId)
        {
            yield return new("INSERT INTO merge_receipts (request_id) VALUES ($1)") { Parameters = { new() { Value = requestId } } };
        }
    }
}
