using System.Globalization;
using Npgsql;
using Xunit.Abstractions;

namespace StackEnv.Merge.Tests;

/// <summary>What callers are told, and the row and its audit row, under lost connections and under load.</summary>
/// <remarks>STACKENV_FAULT_RUNS sets how many connections are lost; the seed that is printed, set as STACKENV_SEED, replays a run.</remarks>
public sealed class FaultTests(ITestOutputHelper output) : DatabaseTest, IAsyncLifetime
{
    private static readonly int Runs = FromEnvironment("STACKENV_FAULT_RUNS", 200);

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        await Journal.CreateAuditAsync(Database);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Wherever_the_connection_is_lost_the_caller_is_told_the_truth_and_a_journal_shares_the_merges_fate(bool withJournal)
    {
        var seed = FromEnvironment("STACKENV_SEED", Environment.TickCount);
        output.WriteLine($"STACKENV_SEED={seed}");
        var random = new Random(seed);
        var (proxy, dataSource) = WireProxy.InFrontOf(Database, static settings => settings.CancellationTimeout = 200);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource, journals: withJournal ? [Journal.Audit] : []);
        var (fromClient, fromServer) = await MeasureAsync(merger, proxy);
        var tally = new Dictionary<string, int>(StringComparer.Ordinal);

        for (var run = 0; run < Runs; run++)
        {
            var id = await Database.InsertAsync();
            proxy.Reset();
            dataSource.Clear();
            await WarmUpAsync(dataSource);
            var terminated = Task.CompletedTask;
            if (run % 4 == 0)
            {
                terminated = TerminateSoonAsync(random.Next(0, 4));
            }
            else
            {
                var server = random.Next(2) == 0;
                proxy.CutAfterBytes(server, random.Next(1, server ? fromServer : fromClient));
            }

            var told = await OutcomeAsync(merger, id);
            await terminated;
            await QuiesceAsync();

            var merged = string.Equals(await Database.EnvAsync(id), """{"A": "1"}""", StringComparison.Ordinal);
            var audited = await Database.ScalarAsync<long>("SELECT count(*) FROM audit WHERE stack = $1", id) == 1;
            Assert.True(audited == (merged && withJournal), $"Run {run}: the row {(merged ? "was" : "was not")} merged, and the audit row {(audited ? "is" : "is not")} there.");
            Assert.True(told is null || told == merged, $"Run {run}: the caller was told {(told is true ? "committed" : "not committed")}, and that is not so.");
            var kind = $"told {(told is null ? "unknown" : told.Value ? "committed" : "not committed")}, was {(merged ? "committed" : "not committed")}";
            tally[kind] = tally.GetValueOrDefault(kind) + 1;
        }

        foreach (var (kind, count) in tally.OrderBy(static entry => entry.Key, StringComparer.Ordinal))
        {
            output.WriteLine($"{count,6} {kind}");
        }
    }

    [Fact]
    public async Task Audit_rows_add_up_to_the_results_and_replay_to_the_stored_state()
    {
        const int Stacks = 20;
        const int Merges = 5_000;
        var ids = await Task.WhenAll(Enumerable.Range(0, Stacks).Select(_ => Database.InsertAsync()));
        var merger = new StackEnvMerger(Database.DataSource, new() { LockTimeout = TimeSpan.FromSeconds(60) }, journals: [Journal.Audit]);
        var results = new MergeResult[Merges];

        await Parallel.ForEachAsync(Enumerable.Range(0, Merges), new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (number, cancellationToken) =>
            results[number] = await merger.MergeAsync(
                ids[number % Stacks],
                Changes(($"S_{number % 7}", $"{number}"), ($"D_{number % 5}", number % 3 == 0 ? null : $"{number}")),
                cancellationToken));

        var changed = results.Where(static result => result.Changed).ToArray();
        var sums = await Database.ScalarAsync<string>("SELECT concat_ws(' ', count(*), sum(keys_set), sum(keys_deleted), sum(total_after)) FROM audit");
        Assert.Equal($"{changed.Length} {changed.Sum(static result => result.KeysSet)} {changed.Sum(static result => result.KeysDeleted)} {changed.Sum(static result => result.TotalAfter)}", sums);

        // Ids are drawn under the row's lock, so that within a stack their order is that of the commits.
        Assert.Equal(0, await Database.ScalarAsync<long>(
            """
            SELECT count(*) FROM stacks WHERE env_vars IS DISTINCT FROM (SELECT env FROM audit WHERE stack = stacks.id ORDER BY audit.id DESC LIMIT 1)
            """));
        Assert.Equal(0, await Database.ScalarAsync<long>(
            """
            SELECT count(*)
            FROM (SELECT *, coalesce(lag(env) OVER (PARTITION BY stack ORDER BY id), '{}') AS before FROM audit) AS step
            WHERE total_after <> (SELECT count(*) FROM jsonb_object_keys(env))
               OR keys_deleted <> (SELECT count(*) FROM jsonb_object_keys(before) AS key WHERE NOT env ? key)
            """));
    }

    private static int FromEnvironment(string name, int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out var value) ? value : otherwise;

    // True and false: committed and certainly not; null: unknown.
    private static async Task<bool?> OutcomeAsync(StackEnvMerger merger, Guid id)
    {
        try
        {
            return (await merger.MergeAsync(id, Changes(("A", "1")))).Changed;
        }
        catch (MergeOutcomeUnknownException)
        {
            return null;
        }
        catch (StackEnvStoreException)
        {
            return false;
        }
    }

    private async Task<(int FromClient, int FromServer)> MeasureAsync(StackEnvMerger merger, WireProxy proxy)
    {
        var id = await Database.InsertAsync();
        await merger.MergeAsync(id, Changes(("A", "0")));
        proxy.Reset();
        await merger.MergeAsync(id, Changes(("A", "1")));
        await Database.ExecuteAsync("TRUNCATE audit");
        return proxy.Bytes;
    }

    // A connection that has been used is given back with a reset that travels with the next statements, as in a host's life.
    private static async Task WarmUpAsync(NpgsqlDataSource dataSource)
    {
        await using var command = dataSource.CreateCommand("SELECT 1");
        await command.ExecuteScalarAsync();
    }

    private async Task TerminateSoonAsync(int milliseconds)
    {
        await Task.Delay(milliseconds);
        await Database.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid() AND client_addr IS NOT DISTINCT FROM (SELECT client_addr FROM pg_stat_activity WHERE pid = pg_backend_pid()) AND state <> 'idle'", Database.Schema);
    }

    // A session whose client is gone may still be carrying out what it has received.
    private async Task QuiesceAsync()
    {
        while (await Database.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid() AND state <> 'idle'", Database.Schema) > 0)
        {
            await Task.Delay(1);
        }
    }
}
