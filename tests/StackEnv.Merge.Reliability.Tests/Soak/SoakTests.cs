using Xunit.Sdk;

namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>Half an hour of full load with a fault each second, or ten seconds of it.</summary>
[Collection(RunsAlone.Name)]
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int Hosts = 4;
    private const int Callers = 24;
    private const int Stacks = 36;
    private const int Samples = 100;
    private const long MegaByte = 1024 * 1024;

    // Sessions whose client is gone and that the server has not ended yet.
    private const int DyingSessions = 8;

    [Fact]
    public async Task Under_load_and_faults_nothing_grows_nothing_is_lost_and_nothing_fails_without_a_cause()
    {
        // One fault is one second.
        var campaign = Campaign.Start(output, "soak", shortForm: 10, fullForm: 1_800);
        await using var cluster = await RestartableCluster.StartAsync();
        var test = await TestDatabase.CreateAsync(cluster.ConnectionString);
        await test.ExecuteAsync(SoakCall.Ddl);
        await using var database = new SoakDatabase(test.ConnectionString);
        var stacks = await Task.WhenAll(Enumerable.Range(0, Stacks).Select(_ => test.InsertAsync()));
        var hosts =
            Enumerable.Range(0, Hosts).Select(number => new SoakHost(test, number, number % 2 == 0 ? [SoakCall.Journal] : [])).ToArray();
        var ledger = new SoakLedger();
        var callers = Enumerable.Range(0, Callers).Select(
            number => new SoakCaller(number, hosts[number % Hosts], stacks, ledger, database)).ToArray();
        var faults = new SoakFaults(cluster, callers, ledger, database);
        var (heap, workingSet, connections) = (new SoakGauge(), new SoakGauge(), new SoakGauge());
        using var stop = new CancellationTokenSource();

        var begunAt = ledger.Now;
        var calling = Task.WhenAll(
            callers.Select((caller, number) => Task.Run(() => caller.RunAsync(campaign.RandomOf(-1 - number), stop.Token))));
        var measuring = MeasureAsync();
        using (var second = new PeriodicTimer(TimeSpan.FromSeconds(1)))
        {
            foreach (var number in campaign.Numbers)
            {
                await second.WaitForNextTickAsync();
                await faults.StrikeAsync(number, campaign.RandomOf(number));
                if (calling.IsCompleted || measuring.IsCompleted)
                {
                    break;
                }
            }
        }

        await stop.CancelAsync();
        await calling;
        var elapsed = ledger.Now - begunAt;
        await measuring;
        foreach (var host in hosts)
        {
            await host.CloseConnectionsAsync();
        }

        var left = await ConnectionsLeftAsync();
        await Parallel.ForEachAsync(callers, async (caller, _) => await caller.CheckAsync());

        var merges = callers.Sum(static caller => caller.Merges);
        campaign.ReportTable(
            ["measure", "value"],
            [
                ["time", $"{elapsed.TotalSeconds:F0} s"],
                ["callers, stacks, connections at the most", $"{Callers}, {Stacks}, {Hosts * SoakHost.PoolSize}"],
                ["merges", merges],
                ["merges a second", (long)(merges / elapsed.TotalSeconds)],
                ["faults", faults.Faults.Sum],
                .. faults.Faults.Rows.Select(static row => (object[])[$"faults: {row[0]}", row[1]]),
                .. ledger.Failures.Rows.Select(static row => (object[])[$"failed merges: {row[0]}", row[1]]),
                ["failed merges that no fault explains", ledger.Unexplained.Count],
                ["managed heap after a collection, second tenth of the time", $"{heap.AtStart / MegaByte} MB"],
                ["managed heap after a collection, last tenth", $"{heap.AtEnd / MegaByte} MB"],
                ["working set, second tenth of the time", $"{workingSet.AtStart / MegaByte} MB"],
                ["working set, last tenth", $"{workingSet.AtEnd / MegaByte} MB"],
                ["connections, least and most", $"{connections.Min} and {connections.Max}"],
                ["connections left when the data sources are disposed", left],
            ]);
        if (ledger.Unexplained.Count > 0)
        {
            throw new XunitException(
                $"No fault explains these. STACKENV_SEED={campaign.Seed}\n{string.Join('\n', ledger.Unexplained.Take(10))}");
        }

        Assert.InRange(heap.AtEnd, 0, (heap.AtStart * 3 / 2) + (4 * MegaByte));
        Assert.InRange(workingSet.AtEnd, 0, (workingSet.AtStart * 5 / 4) + (64 * MegaByte));
        Assert.InRange(connections.Max, 1, (Hosts * SoakHost.PoolSize) + DyingSessions);
        Assert.Equal(0, left);
        foreach (var host in hosts)
        {
            await host.DisposeAsync();
        }

        test.DataSource.Clear();
        await test.DisposeAsync();

        async Task MeasureAsync()
        {
            using var next = new PeriodicTimer(TimeSpan.FromSeconds((double)campaign.Runs / Samples));
            while (!stop.IsCancellationRequested)
            {
                await next.WaitForNextTickAsync();
                connections.Add(await CountConnectionsAsync());
                heap.Add(GC.GetTotalMemory(forceFullCollection: true));
                workingSet.Add(Environment.WorkingSet);
            }
        }

        async Task<long> ConnectionsLeftAsync()
        {
            for (var patience = 100; patience > 0 && await CountConnectionsAsync() > 0; patience--)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100));
            }

            return await CountConnectionsAsync();
        }

        Task<long> CountConnectionsAsync() => database.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = ANY ($1)", [hosts.Select(static host => host.Name).ToArray()]);
    }
}
