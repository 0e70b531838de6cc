using Microsoft.Extensions.Logging;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>A data source of its own behind a proxy of its own, for one merge at a time.</summary>
internal sealed class FaultLane : IAsyncDisposable
{
    public const int UsesUntilPrepared = 2;

    private const int PoolSize = 4;
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(1);

    private readonly NpgsqlDataSource _dataSource;

    private FaultLane(LaneSettings settings, Guid stack, WireProxy proxy, NpgsqlDataSource dataSource, ILogger<StackEnvMerger> logger)
    {
        Settings = settings;
        Stack = stack;
        Proxy = proxy;
        _dataSource = dataSource;
        Merger = new(dataSource, new() { LockTimeout = LockTimeout }, logger, settings.HasJournal ? [Journal.Audit] : []);
    }

    /// <summary>How long the merge lets the server take for one batch: the wait for the row and five seconds.</summary>
    public static TimeSpan TimeLimit { get; } = LockTimeout + TimeSpan.FromSeconds(5);

    public LaneSettings Settings { get; }

    public StackEnvMerger Merger { get; }

    public WireProxy Proxy { get; }

    /// <summary>A stack for the merges before and after the one that is put to the test.</summary>
    public Guid Stack { get; }

    public static async Task<FaultLane> CreateAsync(TestDatabase database, LaneSettings settings, ILogger<StackEnvMerger> logger)
    {
        var stack = await database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(database.ConnectionString, connection =>
        {
            // A pool as small as this is soon exhausted by connections that do not come back.
            connection.MaxPoolSize = PoolSize;
            connection.Timeout = 5;
            connection.CancellationTimeout = settings.WaitsForCancel ? 200 : -1;
            connection.MaxAutoPrepare = settings.Prepares ? 20 : 0;
            connection.AutoPrepareMinUsages = UsesUntilPrepared;
        });
        var lane = new FaultLane(settings, stack, proxy, dataSource, logger);

        // The first connection of a data source reads the server's types.
        await lane.Merger.MergeAsync(stack, new Dictionary<string, string?>());
        return lane;
    }

    /// <summary>Begins with an empty pool, and then with a connection that has served this many merges.</summary>
    public async Task PrepareAsync(int earlierMerges, string marker)
    {
        _dataSource.Clear();
        Proxy.ForgetProcesses();
        for (var number = 0; number < earlierMerges; number++)
        {
            await Merger.MergeAsync(Stack, new Dictionary<string, string?> { ["EARLIER"] = $"{marker} {Guid.NewGuid()}" });
        }
    }

    /// <summary>Ends every session of the lane, as soon as its connection is given back.</summary>
    public void EndSessions() => _dataSource.Clear();

    public async ValueTask DisposeAsync()
    {
        await _dataSource.DisposeAsync();
        await Proxy.DisposeAsync();
    }
}
