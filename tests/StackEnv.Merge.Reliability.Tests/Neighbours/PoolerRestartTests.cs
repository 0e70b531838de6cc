using System.Diagnostics;
using System.Runtime.CompilerServices;
using Npgsql;
using static StackEnv.Merge.Reliability.Tests.Neighbours.PoolerChecks;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>Thirty callers keep merging while the pooler between them and the server is killed, drained and started again.</summary>
public sealed class PoolerRestartTests(ITestOutputHelper output, PgpoolServers servers) : IClassFixture<PgpoolServers>, IAsyncLifetime
{
    private const int Callers = 30;
    private const int Stacks = 3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private TestDatabase _database = null!;

    public static TheoryData<string> Versions => PgBouncerProgram.Versions;

    public async Task InitializeAsync()
    {
        _database = await servers.CreateDatabaseAsync();
        await Journal.CreateAuditAsync(_database);
    }

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Every_outcome_is_true_while_PgBouncer_is_restarted(string version)
    {
        string[] commands = ["KILL stacks", "SHUTDOWN", "RECONNECT", ""];
        await RunAsync(
            $"pgbouncer-{version}-restarted",
            () => PgBouncer.StartAsync(PgBouncerProgram.OfVersion(version), _database),
            static async (pooler, how) =>
            {
                if (how.Length > 0)
                {
                    await pooler.RunAsync(how);
                }
            },
            commands);
    }

    [Fact]
    public async Task Every_outcome_is_true_while_pgpool_is_restarted()
    {
        string[] signals = ["KILL", "INT", "QUIT", "TERM", "HUP", ""];
        await RunAsync(
            "pgpool-restarted",
            () => Pgpool.StartAsync(_database, servers.Standby),
            static (pooler, how) => how switch
            {
                "" => Task.CompletedTask,
                "KILL" => pooler.KillChildrenAsync(),
                _ => pooler.SignalAsync(how),
            },
            signals);
    }

    [Fact]
    public void Lies_are_counted()
    {
        var stack = Guid.NewGuid();
        var ledger = new PoolerLedger();
        ledger.Committed(stack, "THERE", Result(1));
        ledger.Committed(stack, "LOST", Result(2));
        ledger.Committed(stack, "TWICE", Result(1));
        ledger.Committed(stack, "TOO_MANY", Result(9));
        ledger.Failed(stack, "WRITTEN", Told.StoreError("57P01"));
        ledger.Failed(stack, "NOT_WRITTEN", Told.StoreError("57P01"));
        ledger.Failed(stack, "UNKNOWN", new("outcome_unknown"));

        var stored = new HashSet<string> { "THERE", "TWICE", "TOO_MANY", "WRITTEN", "UNKNOWN" };
        var lies = ledger.Lies(new Dictionary<Guid, IReadOnlySet<string>> { [stack] = stored });

        Assert.Equal(["LOST", "TWICE", "TOO_MANY", "WRITTEN"], lies.Select(static lie => lie.Split(' ')[0]));

        static MergeResult Result(int total) =>
            new() { Env = new Dictionary<string, string>(), Changed = true, KeysSet = 1, KeysDeleted = 0, TotalAfter = total };
    }

    private async Task RunAsync<TPooler>(string name, Func<Task<TPooler>> start, Func<TPooler, string, Task> disturb, string[] ways)
        where TPooler : class, IPooler
    {
        using var heard = new HeardErrors(output);
        var campaign = Campaign.Start(output, name, shortForm: 8, fullForm: 200);
        var stacks = new List<Guid>();
        for (var number = 0; number < Stacks; number++)
        {
            stacks.Add(await _database.InsertAsync());
        }

        await servers.ReplicatedAsync();
        var ledger = new PoolerLedger();
        var isOver = new StrongBox<bool>();
        var dataSources = new List<NpgsqlDataSource>();
        var pooler = await start();
        var current = new StrongBox<StackEnvMerger[]>(Mergers(pooler, dataSources));
        var merging = Enumerable.Range(0, Callers).Select(caller => MergeAsync(caller, stacks, current, ledger, isOver)).ToArray();
        try
        {
            foreach (var round in campaign.Numbers)
            {
                var random = campaign.RandomOf(round);
                var before = ledger.CountOf("committed");
                await UntilAsync(
                    () => ledger.CountOf("committed") > before + Callers || Array.Exists(merging, static caller => caller.IsCompleted),
                    "no merge succeeds");
                await Task.Delay(random.Next(50));
                await disturb(pooler, ways[random.Next(ways.Length)]);
                await Task.Delay(random.Next(200));
                await pooler.DisposeAsync();
                pooler = await start();
                Volatile.Write(ref current.Value, Mergers(pooler, dataSources));
            }
        }
        finally
        {
            Volatile.Write(ref isOver.Value, true);
            await Task.WhenAll(merging);
            await pooler.DisposeAsync();
            dataSources.ForEach(static dataSource => dataSource.Dispose());
        }

        var stored = await StoredAtLastAsync(stacks);
        var lies = ledger.Lies(stored);
        campaign.ReportTable(["outcome", "merges"], [.. ledger.Rows(stored), ["lies", lies.Count]]);
        Assert.True(lies.Count == 0, string.Join('\n', lies));
        Assert.Equal(
            await _database.ScalarAsync<long>("SELECT count(*) FROM stacks, jsonb_object_keys(env_vars) AS k (key) WHERE key LIKE 'J%'"),
            await _database.ScalarAsync<long>("SELECT count(*) FROM audit"));

        // Otherwise nothing was tested.
        Assert.InRange(ledger.CountOf("outcome_unknown"), 1, int.MaxValue);
        Assert.InRange(ledger.CountOf("store_error"), 1, int.MaxValue);
    }

    // Every second caller has a journal, so that COMMIT goes into a second batch.
    private static async Task MergeAsync(
        int caller, List<Guid> stacks, StrongBox<StackEnvMerger[]> current, PoolerLedger ledger, StrongBox<bool> isOver)
    {
        for (var merge = 0; !Volatile.Read(ref isOver.Value); merge++)
        {
            var stack = stacks[(caller + merge) % stacks.Count];
            var withJournal = caller % 2;
            var key = $"{(withJournal == 1 ? 'J' : 'P')}_{caller}_{merge}";
            try
            {
                var merger = Volatile.Read(ref current.Value!)[withJournal];
                ledger.Committed(stack, key, await merger.MergeAsync(stack, new Dictionary<string, string?> { [key] = "v" }));
            }
            catch (StackEnvMergeException failure)
            {
                Assert.True(failure.IsTransient, failure.Message);
                ledger.Failed(stack, key, failure is StackEnvStoreException ? new("store_error") : Told.Of(failure));
                await Task.Delay(20);
            }
        }
    }

    private static async Task UntilAsync(Func<bool> condition, string problem)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, $"{problem}.");
            await Task.Delay(5);
        }
    }

    private StackEnvMerger[] Mergers(IPooler pooler, List<NpgsqlDataSource> dataSources)
    {
        var dataSource = pooler.DataSource(static settings => (settings.CancellationTimeout, settings.Timeout) = (200, 2));
        dataSources.Add(dataSource);
        var options = new StackEnvMergeOptions { Schema = _database.Schema, MaxEnvBytes = 10_000_000 };
        var audit = new Journal((stack, _) =>
            [new($"INSERT INTO {_database.Schema}.audit (stack) VALUES ($1)") { Parameters = { new() { Value = stack.Key } } }]);
        return [new(dataSource, options), new(dataSource, options, journals: [audit])];
    }

    private async Task<Dictionary<Guid, IReadOnlySet<string>>> StoredAtLastAsync(List<Guid> stacks)
    {
        await QuiesceAsync(_database);
        var stored = new Dictionary<Guid, IReadOnlySet<string>>();
        foreach (var stack in stacks)
        {
            var keys = await _database.ScalarAsync<string[]>(
                "SELECT array(SELECT jsonb_object_keys(env_vars)) FROM stacks WHERE id = $1", stack);
            stored[stack] = keys!.ToHashSet(StringComparer.Ordinal);
        }

        return stored;
    }
}
