using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>
/// Many more callers than stacks, with tiny limits, who give up at random: each gets one true answer, and nobody stays in line.
/// </summary>
[Collection(WaitsAlone.Name)]
public sealed class LineCampaignTests(ITestOutputHelper output) : DatabaseTest
{
    private const int Callers = 200;
    private const int Stacks = 5;

    private static readonly int[] Limits = [1, 5, 20, 100];

    // Of a busy machine: what is looked for is a merge that never returns.
    private static readonly TimeSpan Hang = TimeSpan.FromSeconds(30);

    [Theory]
    [InlineData(2)]
    [InlineData(40)]
    public async Task Every_caller_gets_one_true_answer_and_the_line_is_empty_at_the_end(int poolSize)
    {
        var campaign = Campaign.Start(output, $"line-{poolSize}", shortForm: 2_000, fullForm: 10_000);
        await using var dataSource = Database.DataSourceWith(settings => settings.MaxPoolSize = poolSize);
        var mergers = Limits
            .Select(limit => new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(limit) }))
            .ToArray();
        var stacks = await Task.WhenAll(Enumerable.Range(0, Stacks).Select(_ => Database.InsertAsync()));
        await mergers[0].MergeAsync(stacks[0], Changes());
        using var inLine = new WaitingMerges();
        var answers = new ConcurrentQueue<Answer>();

        await Parallel.ForEachAsync(
            campaign.Numbers,
            new ParallelOptions { MaxDegreeOfParallelism = Callers },
            async (run, _) => answers.Enqueue(await AskAsync(campaign, run, mergers, stacks)));

        // What was told is what is there: each merge that succeeded wrote a key of its own, and no other did.
        var told = answers.Where(static answer => answer.What is "committed").Select(static answer => $"RUN_{answer.Run}").Order().ToList();
        var there = await Database.ScalarAsync<string[]>(
            "SELECT coalesce(array_agg(key), '{}') FROM stacks, jsonb_object_keys(env_vars) AS key") ?? [];
        var lies = told.Except(there, StringComparer.Ordinal).Concat(there.Except(told, StringComparer.Ordinal)).ToList();
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
                ["answers that were not true", lies.Count, ""],
                ["merges in line at the end", inLine.Count, ""],
            ]);
        Assert.Empty(lies);
        Assert.Equal(0, inLine.Count);
        Assert.True(inLine.Entered > 0, "No merge had to wait in line.");
        Assert.Equal(campaign.Numbers.Count(), answers.Count);
        Assert.All(stacks, stack => Assert.True(mergers[^1].MergeAsync(stack, Changes()).Wait(Hang)));
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

    /// <summary>How many merges of this test are in line, as the library's own metric says.</summary>
    private sealed class WaitingMerges : IDisposable
    {
        private static readonly AsyncLocal<WaitingMerges?> Current = new();

        private readonly MeterListener _listener = new();
        private int _count;
        private int _entered;

        public WaitingMerges()
        {
            Current.Value = this;
            _listener.InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument is { Meter.Name: "StackEnv.Merge", Name: "stackenv.merge.line.waiting" })
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<int>(static (_, change, _, _) => Current.Value?.Note(change));
            _listener.Start();
        }

        public int Count => Volatile.Read(ref _count);

        public int Entered => Volatile.Read(ref _entered);

        public void Dispose() => _listener.Dispose();

        private void Note(int change)
        {
            Interlocked.Add(ref _count, change);
            Interlocked.Add(ref _entered, Math.Max(change, 0));
        }
    }
}
