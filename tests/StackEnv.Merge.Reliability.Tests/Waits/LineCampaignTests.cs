using System.Collections.Concurrent;
using System.Diagnostics;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>
/// Many more callers than stacks, with tiny limits, that give up at random, also while their sessions are ended and cancelled: each gets
/// one true answer, and none stays in line. With a pool of 2, one merge of a stack runs at a time.
/// </summary>
[Collection(WaitsAlone.Name)]
public sealed class LineCampaignTests(ITestOutputHelper output) : DatabaseTest
{
    private const int Callers = 200;
    private const int Stacks = 5;

    private static readonly int[] Limits = [1, 5, 20, 100];

    // For a busy machine: the test looks for a merge that never returns.
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(2, false)]
    [InlineData(40, false)]
    [InlineData(2, true)]
    [InlineData(40, true)]
    public async Task Every_caller_gets_one_true_answer_and_the_line_is_empty_at_the_end(int poolSize, bool withFaults)
    {
        var campaign = Campaign.Start(output, $"line-{poolSize}{(withFaults ? "-faults" : "")}", shortForm: 2_000, fullForm: 10_000);
        var name = $"{Database.Schema}_line";
        await using var dataSource = Database.DataSourceWith(settings =>
        {
            settings.MaxPoolSize = poolSize;
            settings.ApplicationName = name;
        });
        var mergers = Limits
            .Select(limit => new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(limit) }))
            .ToArray();
        var stacks = await Task.WhenAll(Enumerable.Range(0, Stacks).Select(_ => Database.InsertAsync()));
        await mergers[0].MergeAsync(stacks[0], Changes());
        using var inLine = new WaitingMerges();
        var answers = new ConcurrentQueue<Answer>();
        using var stop = new CancellationTokenSource();
        var faults = withFaults ? StrikeAsync(name, stop.Token) : Task.FromResult(0L);

        await Parallel.ForEachAsync(
            campaign.Numbers,
            new ParallelOptions { MaxDegreeOfParallelism = Callers },
            async (run, _) => answers.Enqueue(await AskAsync(campaign, run, mergers, stacks)));

        await stop.CancelAsync();

        // Each merge writes a key of its own, so the keys show which were committed.
        var told = answers.Where(static answer => answer.What is "committed").Select(static answer => $"RUN_{answer.Run}").ToList();
        var unknown = answers.Where(static answer => answer.What is "outcome_unknown").Select(static answer => $"RUN_{answer.Run}");
        var there = await Database.ScalarAsync<string[]>(
            "SELECT coalesce(array_agg(key), '{}') FROM stacks, jsonb_object_keys(env_vars) AS key") ?? [];
        var lies = told.Except(there, StringComparer.Ordinal)
            .Concat(there.Except(told, StringComparer.Ordinal).Except(unknown, StringComparer.Ordinal)).ToList();
        var rows = answers
            .GroupBy(static answer => answer.What, StringComparer.Ordinal)
            .OrderBy(static group => group.Key, StringComparer.Ordinal)
            .Select(static group => new object[]
            {
                group.Key, group.Count(), $"{group.Max(static answer => answer.Elapsed).TotalMilliseconds:F0} ms",
            });
        campaign.ReportTable(
            ["answer", "merges", "longest wait"],
            [
                .. rows,
                ["of all that waited in line", inLine.Entered, ""],
                ["sessions ended or cancelled", await faults, ""],
                ["answers that were not true", lies.Count, ""],
                ["merges in line at the end", inLine.Count, ""],
            ]);
        Assert.Empty(lies);
        Assert.Equal(0, inLine.Count);
        Assert.True(inLine.Entered > 0, "No merge had to wait in line.");
        Assert.Equal(campaign.Numbers.Count(), answers.Count);
        Assert.Equal(withFaults, await faults > 0);
        dataSource.Clear(); // of sessions that were ended while they were idle
        foreach (var stack in stacks)
        {
            await mergers[^1].MergeAsync(stack, Changes()).WaitAsync(Hang);
        }
    }

    // Ends or cancels one session after another, and counts them.
    private async Task<long> StrikeAsync(string name, CancellationToken stop)
    {
        var struck = 0L;
        while (!stop.IsCancellationRequested)
        {
            struck += await Database.ScalarAsync<long>(
                $"SELECT count({(struck % 2 == 0 ? "pg_terminate_backend" : "pg_cancel_backend")}(pid)) FROM (SELECT pid FROM " +
                "pg_stat_activity WHERE application_name = $1 ORDER BY random() LIMIT 1) AS session",
                name);
            await Task.Delay(5, CancellationToken.None);
        }

        return struck;
    }

    private static async Task<Answer> AskAsync(Campaign campaign, int run, StackEnvMerger[] mergers, Guid[] stacks)
    {
        var random = campaign.RandomOf(run);
        using var giveUp = new CancellationTokenSource();
        if (random.Next(3) == 0)
        {
            giveUp.CancelAfter(random.Next(30));
        }

        var watch = Stopwatch.StartNew();
        var what = "committed";
        try
        {
            await mergers[random.Next(mergers.Length)]
                .MergeAsync(stacks[random.Next(stacks.Length)], Changes(($"RUN_{run}", "1")), giveUp.Token)
                .WaitAsync(Hang);
        }
        catch (LockTimeoutException timeout)
        {
            what = timeout.Message.Contains("in line", StringComparison.Ordinal) ? "lock_timeout in line" : "lock_timeout at the row";
        }
        catch (StackEnvMergeException failure)
        {
            what = failure.ErrorCode;
        }
        catch (OperationCanceledException)
        {
            what = "cancelled";
        }

        return new(run, what, watch.Elapsed);
    }

    private sealed record Answer(int Run, string What, TimeSpan Elapsed);
}
