using System.Transactions;

namespace StackEnv.Merge.Tests;

public sealed class MisuseTests : DatabaseTest
{
    [Fact]
    public async Task An_ambient_transaction_is_refused_and_nothing_is_written()
    {
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);

        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
        {
            var misuse = await Assert.ThrowsAsync<InvalidOperationException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));
            Assert.Contains("TransactionScopeOption.Suppress", misuse.Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_suppressed_ambient_transaction_is_fine()
    {
        var id = await Database.InsertAsync();
        using var scope = new TransactionScope(TransactionScopeAsyncFlowOption.Enabled);
        using var suppressed = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);

        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }
}
