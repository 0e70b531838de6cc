using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>What callers are told when things go wrong in the middle of a merge, compared with what the database holds.</summary>
public sealed class FaultCampaignTests(ITestOutputHelper output)
{
    private const int Lanes = 48;
    private const int OwnServers = 3;

    // Enough to count them, and to end if everything fails.
    private const int MostViolations = 10;

    [Fact]
    public async Task Whatever_fails_the_outcome_is_true_and_the_next_merge_succeeds()
    {
        // The driver asks the server to cancel on a thread that it blocks.
        ThreadPool.SetMinThreads(4 * Lanes, 4 * Lanes);
        var campaign = Campaign.Start(output, "faults", shortForm: 1_050, fullForm: 21_000);
        var marker = $"s3cr3t-{Guid.NewGuid():N}";
        using var watch = new LeakWatch(marker, "StackEnv.Merge", "Npgsql");
        await using var shared = await FaultServer.ShareAsync(watch);
        var own = await Task.WhenAll(Enumerable.Range(0, OwnServers).Select(_ => FaultServer.StartAsync(watch)));
        var free = Channel.CreateUnbounded<FaultServer>();
        Array.ForEach(own, server => free.Writer.TryWrite(server));
        var messages = await MessageCounts.MeasureAsync(shared, marker);
        var tally = new FaultTally();
        var violations = new ConcurrentQueue<string>();
        var startedAt = Stopwatch.GetTimestamp();

        var lanes = new ParallelOptions { MaxDegreeOfParallelism = Lanes };
        await Parallel.ForEachAsync(campaign.Numbers, lanes, async (run, cancellationToken) =>
        {
            if (violations.Count >= MostViolations)
            {
                return;
            }

            var plan = new FaultPlan(campaign.RandomOf(run), marker, messages);
            var server = plan.Kind.NeedsOwnServer() ? await free.Reader.ReadAsync(cancellationToken) : shared;
            try
            {
                var lane = await server.RentAsync(plan.Settings);
                var faultRun = new FaultRun(server, lane, plan, marker, watch);
                var report = await faultRun.RunAsync();
                tally.Add(report);
                if (report.IsLie || report.NextFailures > 0)
                {
                    violations.Enqueue($"{report} Run {run}: {plan}. {campaign.Replay(run)} {faultRun.Failure}");
                }

                server.GiveBack(lane);
            }
#pragma warning disable CA1031 // If one run fails in any way, the others are still counted.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                violations.Enqueue(
                    $"{failure.Message} Run {run}, after {tally.Faults} faults: {plan}. {campaign.Replay(run)} {failure.StackTrace}");
            }
            finally
            {
                if (server != shared)
                {
                    await free.Writer.WriteAsync(server, CancellationToken.None);
                }
            }
        });

        var elapsed = Stopwatch.GetElapsedTime(startedAt);
        campaign.Report(
            $"{tally.Faults} faults in {elapsed.TotalSeconds:F0} s, {watch.Seen.Values.Sum()} texts read for the planted secret, " +
            $"{watch.Leaks.Count} with it");
        campaign.ReportTable(FaultTally.Columns, tally.Rows);
        Assert.True(violations.IsEmpty, string.Join('\n', violations));
        Assert.Empty(watch.Leaks);
        Assert.InRange(tally.LateCancels, 0, 1 + (tally.Faults / 1_000));
        await Task.WhenAll(own.Select(static server => server.DisposeAsync().AsTask()));
    }
}
