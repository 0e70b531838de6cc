using System.Collections.Concurrent;
using System.Diagnostics;
using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// Eight callers that merge into a primary, each a key of its own at a time, while its standby goes away, and go on after the promotion.
/// </summary>
internal sealed class FailoverRun : IAsyncDisposable
{
    private const int Callers = 8;
    private const int EnoughMerges = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // After LockTimeout and 5 s, rounded up, the driver gives up on a COMMIT.
    private static readonly TimeSpan LockTimeout = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongerThanEveryLimit = TimeSpan.FromSeconds(8);

    private readonly RestartableCluster _primary;
    private readonly RestartableCluster _standby;
    private readonly bool _withJournal;
    private readonly ConcurrentQueue<string> _surprises = new();
    private IReadOnlyList<Guid> _stacks = [];

    private FailoverRun(RestartableCluster primary, RestartableCluster standby, bool withJournal) =>
        (_primary, _standby, _withJournal) = (primary, standby, withJournal);

    public PoolerLedger Ledger { get; } = new();

    /// <summary>From the order to promote until a caller was told that its merge is committed.</summary>
    public TimeSpan Pause { get; private set; }

    public static async Task<FailoverRun> StartAsync(bool synchronous, bool withJournal)
    {
        var (primary, standby, _) = await RestartableCluster.StartPairAsync();
        var run = new FailoverRun(primary, standby, withJournal);
        await using var setUp = NpgsqlDataSource.Create($"{primary.ConnectionString};Pooling=false");
        run._stacks = [.. await Task.WhenAll(Enumerable.Range(0, 2 * Callers).Select(n => StacksTable.InsertAsync(setUp, $"stack-{n}")))];
        await primary.ExecuteAsync("CREATE TABLE audit (stack uuid)");
        if (synchronous)
        {
            await primary.ExecuteAsync("ALTER SYSTEM SET synchronous_standby_names = '*'");
            await primary.ExecuteAsync("SELECT pg_reload_conf()");
        }

        await run.UntilStreamingAsync();
        return run;
    }

    /// <summary>Merges, loses the primary, promotes the standby, and merges on.</summary>
    /// <param name="away">Whether the standby is away for longer than every limit.</param>
    /// <param name="comesBack">Whether it comes back before the primary is lost, or only after that.</param>
    /// <param name="random">When callers give up.</param>
    public async Task FailOverAsync(bool away, bool comesBack, Random random)
    {
        await using var dataSource = BothHosts();
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = LockTimeout }, journals: _withJournal ? [Audit()] : []);
        using var end = new CancellationTokenSource();
        var callers = Enumerable.Range(0, Callers)
            .Select(caller => MergeUntilAsync(merger, caller, new Random(random.Next()), end.Token))
            .ToArray();
        await UntilMergedAsync(EnoughMerges);
        if (away)
        {
            await _standby.StopAsync(ShutdownMode.Fast);
            await Task.Delay(LongerThanEveryLimit);
        }

        if (away && comesBack)
        {
            await _standby.StartAgainAsync();
            await UntilStreamingAsync();
            await UntilMergedAsync(Ledger.CountOf("committed") + EnoughMerges);
        }

        await _primary.StopAsync(ShutdownMode.Immediate);
        if (away && !comesBack)
        {
            await _standby.StartAgainAsync();
        }

        await Task.Delay(TimeSpan.FromMilliseconds(200)); // what was answered before is counted before
        var (before, promoting) = (Ledger.CountOf("committed"), Stopwatch.GetTimestamp());
        await _standby.ExecuteAsync("SELECT pg_promote()");
        await UntilMergedAsync(before + 1);
        Pause = Stopwatch.GetElapsedTime(promoting);
        await UntilMergedAsync(before + EnoughMerges);
        await end.CancelAsync();
        await Task.WhenAll(callers);
    }

    /// <summary>What the new primary has: the keys of each stack.</summary>
    public async Task<IReadOnlyDictionary<Guid, IReadOnlySet<string>>> StoredAsync()
    {
        await using var dataSource = NpgsqlDataSource.Create($"{_standby.ConnectionString};Pooling=false");
        await using var command = dataSource.CreateCommand(
            "SELECT id, array(SELECT jsonb_object_keys(env_vars)), (SELECT count(*) FROM audit WHERE stack = id) FROM stacks");
        await using var reader = await command.ExecuteReaderAsync();
        var stored = new Dictionary<Guid, IReadOnlySet<string>>();
        while (await reader.ReadAsync())
        {
            var keys = (await reader.GetFieldValueAsync<string[]>(1)).ToHashSet(StringComparer.Ordinal);
            stored[reader.GetGuid(0)] = keys;
            Assert.Equal(_withJournal ? keys.Count : 0, reader.GetInt64(2));
        }

        Assert.True(_surprises.IsEmpty, $"Not transient: {string.Join(Environment.NewLine, _surprises)}");
        return stored;
    }

    public async ValueTask DisposeAsync()
    {
        await _standby.DisposeAsync();
        await _primary.DisposeAsync();
    }

    private static Journal Audit() => new(static (stack, _) =>
        [new("INSERT INTO audit (stack) VALUES ($1)") { Parameters = { new() { Value = stack.Key } } }]);

    private async Task MergeUntilAsync(StackEnvMerger merger, int caller, Random random, CancellationToken end)
    {
        for (var merge = 0; !end.IsCancellationRequested; merge++)
        {
            var (stack, key) = (_stacks[random.Next(_stacks.Count)], $"K_{caller}_{merge}");
            using var patience = new CancellationTokenSource();
            if (random.Next(8) == 0)
            {
                patience.CancelAfter(TimeSpan.FromMilliseconds(random.Next(1, 30)));
            }

            try
            {
                var result = await merger.MergeAsync(stack, new Dictionary<string, string?> { [key] = "v" }, patience.Token);
                Ledger.Committed(stack, key, result);
            }
            catch (Exception failure) when (failure is OperationCanceledException or StackEnvMergeException)
            {
                Ledger.Failed(stack, key, Told.Of(failure));

                // A token that is cancelled while the driver asks which host is the primary can come back as a host that failed.
                if (failure is StackEnvMergeException { IsTransient: false } && !patience.IsCancellationRequested)
                {
                    _surprises.Enqueue($"{failure} {failure.InnerException?.Message}");
                }
            }

            await Task.Delay(random.Next(10), CancellationToken.None);
        }
    }

    private Task UntilStreamingAsync() =>
        _primary.UntilAsync("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = " +
            "CASE current_setting('synchronous_standby_names') WHEN '' THEN 'async' ELSE 'sync' END");

    private async Task UntilMergedAsync(int merges)
    {
        var startedAt = Stopwatch.GetTimestamp();
        while (Ledger.CountOf("committed") < merges)
        {
            Assert.True(
                Stopwatch.GetElapsedTime(startedAt) < Patience, $"No more than {Ledger.CountOf("committed")} merges were committed.");
            await Task.Delay(TimeSpan.FromMilliseconds(5));
        }
    }

    private NpgsqlDataSource BothHosts() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(_primary.ConnectionString)
    {
        Host = $"{HostOf(_primary)},{HostOf(_standby)}",
        HostRecheckSeconds = 1,
        CancellationTimeout = 500,
    });

    private static string HostOf(RestartableCluster cluster) => new NpgsqlConnectionStringBuilder(cluster.ConnectionString).Host!;
}
