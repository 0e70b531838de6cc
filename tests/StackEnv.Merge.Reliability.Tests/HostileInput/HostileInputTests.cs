using System.Collections.Concurrent;
using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>
/// Whatever keys, values, stored documents, names and references contain: the exact set is stored, or the right error explains why not and
/// the row is untouched, and no value shows anywhere.
/// </summary>
public sealed class HostileInputTests(ITestOutputHelper output) : IAsyncLifetime, IDisposable
{
    private const int Lanes = 4;
    private const int CasesBetweenVacuums = 2_000;
    private const int NearTheCap = 16;
    private const int SecondsOfShrinking = 20;

    private static readonly HashSet<string> WatchedInEveryCampaign = new(StringComparer.Ordinal)
    {
        "result", "EnvTooLargeException", "StackEnvStoreException", "log MergeCommitted", "metric stackenv.merge.duration",
        "span stackenv.merge committed", "span postgresql",
    };

    private readonly LeakWatch _watch = new(HostileText.Marker, "StackEnv.Merge", "Npgsql");
    private readonly ConcurrentBag<Lane> _lanes = [];

    public async Task InitializeAsync()
    {
        foreach (var lane in await Task.WhenAll(Enumerable.Range(0, Lanes).Select(_ => Lane.OpenAsync(_watch))))
        {
            _lanes.Add(lane);
        }
    }

    public void Dispose() => _watch.Dispose();

    public async Task DisposeAsync()
    {
        foreach (var lane in _lanes)
        {
            await lane.DisposeAsync();
        }
    }

    [Fact]
    public async Task The_exact_set_is_stored_or_the_right_error_leaves_the_row_untouched_and_no_value_leaks()
    {
        var campaign = Campaign.Start(output, "hostile-input", shortForm: 3_000, fullForm: 120_000);
        var tally = new HostileTally(NearTheCap);

        var mismatches = await RunAsync(campaign, tally);

        if (mismatches.TryDequeue(out var found))
        {
            // CsCheck begins with the same case, looks for a smaller one that fails too, and throws that one.
            await HostileCases.Any.SampleAsync(
                async hostile => Assert.Equal("", await _lanes.First().TryAsync(hostile, MergeModel.Of(hostile)) ?? ""),
                seed: SourceOf(campaign, found.Run).ToString(),
                time: SecondsOfShrinking,
                threads: 1);
            Assert.Fail($"{found.Difference}\n\n{Draw(campaign, found.Run)}\n{campaign.Replay(found.Run)}");
        }

        var seen = _watch.Seen;
        Assert.Superset(
            WatchedInEveryCampaign, campaign.Numbers.Skip(1).Any() ? seen.Keys.ToHashSet(StringComparer.Ordinal) : WatchedInEveryCampaign);
        campaign.ReportTable(
            ["what the caller was told", "cases"],
            [
                .. tally.Rows,
                ["mismatches", mismatches.Count],
                ["texts that were searched for a secret", seen.Values.Sum()],
                ["of which with one", _watch.Leaks.Count],
            ]);
    }

    private static PCG SourceOf(Campaign campaign, int run) => new((uint)run, unchecked((ulong)campaign.Seed));

    private static HostileCase Draw(Campaign campaign, int run) => HostileCases.Any.Generate(SourceOf(campaign, run), null, out _);

    // The runs that did not end as they should; the others are not started any more.
    private async Task<ConcurrentQueue<(int Run, string Difference)>> RunAsync(Campaign campaign, HostileTally tally)
    {
        var mismatches = new ConcurrentQueue<(int Run, string Difference)>();
        await Parallel.ForEachAsync(campaign.Numbers, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, async (run, _) =>
        {
            if (!mismatches.IsEmpty)
            {
                return;
            }

            Assert.True(_lanes.TryTake(out var lane));
            var hostile = Draw(campaign, run);
            var expected = MergeModel.Of(hostile);
            if ((await lane.TryAsync(hostile, expected) ?? (_watch.Leaks is [var leak, ..] ? leak : null)) is { } difference)
            {
                mismatches.Enqueue((run, difference));
            }

            tally.Add(hostile, expected);
            if (run % CasesBetweenVacuums == CasesBetweenVacuums - 1)
            {
                await lane.VacuumAsync();
            }

            _lanes.Add(lane);
        });
        return mismatches;
    }
}
