using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>A server, or a schema on one, and the lanes to it.</summary>
internal sealed class FaultServer : IAsyncDisposable
{
    private readonly ConcurrentDictionary<LaneSettings, ConcurrentBag<FaultLane>> _free = new();
    private readonly ConcurrentBag<FaultLane> _all = [];
    private readonly ILogger<StackEnvMerger> _logger;

    private FaultServer(TestDatabase database, RestartableCluster? cluster, ILogger<StackEnvMerger> logger)
    {
        Database = database;
        Cluster = cluster;
        _logger = logger;
    }

    public TestDatabase Database { get; }

    /// <summary>Where the server is the campaign's own, to be stopped and started at will: one run at a time has it then.</summary>
    public RestartableCluster? Cluster { get; }

    /// <summary>A schema on the server of all tests.</summary>
    public static async Task<FaultServer> ShareAsync(ILogger<StackEnvMerger> logger) =>
        await SetUpAsync(new(await TestDatabase.CreateAsync(), cluster: null, logger));

    /// <summary>A server of its own.</summary>
    public static async Task<FaultServer> StartAsync(ILogger<StackEnvMerger> logger)
    {
        var cluster = await RestartableCluster.StartAsync();
        return await SetUpAsync(new(await TestDatabase.CreateAsync(cluster.ConnectionString), cluster, logger));
    }

    /// <summary>A lane that no other run uses until it is given back.</summary>
    public async Task<FaultLane> RentAsync(LaneSettings settings)
    {
        if (_free.GetOrAdd(settings, static _ => []).TryTake(out var free))
        {
            return free;
        }

        var made = await FaultLane.CreateAsync(Database, settings, _logger);
        _all.Add(made);
        return made;
    }

    public void GiveBack(FaultLane lane) => _free[lane.Settings].Add(lane);

    public async ValueTask DisposeAsync()
    {
        foreach (var lane in _all)
        {
            await lane.DisposeAsync();
        }

        await Database.DisposeAsync();
        if (Cluster is not null)
        {
            await Cluster.DisposeAsync();
        }
    }

    private static async Task<FaultServer> SetUpAsync(FaultServer server)
    {
        await Journal.CreateAuditAsync(server.Database);
        await server.Database.ExecuteAsync("CREATE INDEX ON audit (stack)");
        await server.Database.ExecuteAsync(Stall.Ddl);
        return server;
    }
}
