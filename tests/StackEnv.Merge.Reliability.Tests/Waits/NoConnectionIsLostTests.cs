using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>The pool after any number of merges that came to nothing.</summary>
public sealed class NoConnectionIsLostTests(ITestOutputHelper output) : DatabaseTest
{
    private const int PoolSize = 8;
    private const string StillUsable = "connections that can be opened at once afterwards";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_many_lock_timeouts_and_cancellations_every_connection_of_the_pool_is_free_and_usable(bool withJournal)
    {
        var campaign = Campaign.Start(output, withJournal ? "pool-with-journal" : "pool", shortForm: 1_000, fullForm: 10_000);
        await using var dataSource = Database.DataSourceWith(
            static settings => (settings.MaxPoolSize, settings.ApplicationName) = (PoolSize, $"{settings.ApplicationName}_pool"));
        var merger = new StackEnvMerger(
            dataSource,
            new() { LockTimeout = TimeSpan.FromMilliseconds(5) },
            journals: withJournal ? [Journal.Silent] : []);
        var tally = new Tally();
        var held = await Database.InsertAsync();
        var free = await Database.InsertAsync();
        await using (await Database.LockAsync(held))
        {
            await Parallel.ForEachAsync(campaign.Numbers, new ParallelOptions { MaxDegreeOfParallelism = 2 * PoolSize }, async (run, _) =>
            {
                var random = campaign.RandomOf(run);
                using var giveUp = new CancellationTokenSource();
                if (random.Next(2) == 0)
                {
                    giveUp.CancelAfter(random.Next(8));
                }

                tally.Count(await OutcomeAsync(merger, random.Next(4) == 0 ? free : held, giveUp.Token));
            });
        }

        Assert.Equal(0, await Database.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND (state <> 'idle' OR xact_start IS NOT NULL)",
            $"{Database.Schema}_pool"));
        tally.Count(StillUsable, await OpenAllAtOnceAsync(dataSource));
        campaign.ReportTable(["what", "count"], tally.Rows);
        Assert.Equal(PoolSize, tally[StillUsable]);
        Assert.True((await merger.MergeAsync(held, Changes(("A", "2")))).Changed);
    }

    private static async Task<string> OutcomeAsync(StackEnvMerger merger, Guid id, CancellationToken cancellationToken)
    {
        try
        {
            return (await merger.MergeAsync(id, Changes(("A", "1")), cancellationToken)).Changed ? "merged" : "nothing to change";
        }
        catch (LockTimeoutException)
        {
            return "lock time-outs";
        }
        catch (OperationCanceledException)
        {
            return "cancelled";
        }
    }

    private static async Task<int> OpenAllAtOnceAsync(NpgsqlDataSource dataSource)
    {
        var connections = await Task.WhenAll(Enumerable.Range(0, PoolSize).Select(async _ => await dataSource.OpenConnectionAsync()));
        var usable = 0;
        foreach (var connection in connections)
        {
            await using var command = new NpgsqlCommand("SELECT 1", connection);
            usable += (int)(await command.ExecuteScalarAsync())!;
        }

        foreach (var connection in connections)
        {
            await connection.DisposeAsync();
        }

        return usable;
    }
}
