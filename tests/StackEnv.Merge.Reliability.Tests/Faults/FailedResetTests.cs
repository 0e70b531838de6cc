using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>
/// The driver resets a pooled connection in a message of its own ahead of the next batch. If that fails, as by a cancel that comes late, it
/// gives the connection up, but the server has received the merge and carries it out.
/// </summary>
public sealed class FailedResetTests : DatabaseTest
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(false, "DISCARD ALL")]
    [InlineData(true, "DISCARD TEMP")]
    public async Task It_is_unknown_if_it_is_an_error(bool prepares, string tag)
    {
        var id = await Database.InsertAsync();
        await using var proxied = await PooledAsync(id, prepares);
        proxied.Proxy.SayInsteadOfAndStayOpen(tag, WireMessage.Error(PostgresErrorCodes.QueryCanceled, "ProcessInterrupts"));

        await MergeFails.WithAsync(MergeFails.OutcomeUnknown, () => proxied.Merger.MergeAsync(id, Changes(("A", "1"))));

        using var limit = new CancellationTokenSource(Limit);
        while (await Database.EnvAsync(id) is not """{"A": "1"}""")
        {
            await Task.Delay(10, limit.Token);
        }
    }

    [Fact]
    public async Task It_is_not_committed_if_it_is_the_end_of_the_session()
    {
        var id = await Database.InsertAsync();
        await using var proxied = await PooledAsync(id, prepares: false);
        await Database.ExecuteAsync("SELECT pg_terminate_backend($1)", proxied.Proxy.NewestProcess);

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => proxied.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    private async Task<ProxiedMerger> PooledAsync(Guid id, bool prepares)
    {
        var proxied = await ProxiedMerger.CreateAsync(Database.ConnectionString, id, configure: settings =>
            (settings.NoResetOnClose, settings.MaxAutoPrepare, settings.AutoPrepareMinUsages) = (false, prepares ? 20 : 0, 2));
        await proxied.Merger.MergeAsync(id, new Dictionary<string, string?>());
        return proxied;
    }
}
