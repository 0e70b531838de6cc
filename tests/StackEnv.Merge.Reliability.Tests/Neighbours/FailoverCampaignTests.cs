using System.Globalization;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// A primary is lost under load and its standby promoted. With synchronous replication, what each caller was told is what the new primary
/// has, also if the standby was away for longer than every limit, and if tokens were cancelled meanwhile.
/// </summary>
public sealed class FailoverCampaignTests(ITestOutputHelper output)
{
    [Fact]
    public async Task What_was_reported_as_committed_is_there_after_the_promotion_of_a_synchronous_standby()
    {
        var campaign = Campaign.Start(output, "failover", shortForm: 3, fullForm: 60);
        var tally = new Tally();
        var pauses = new List<double>();
        foreach (var run in campaign.Numbers)
        {
            var (away, comesBack, standby) = (run % 3) switch
            {
                0 => (false, false, "connected throughout"),
                1 => (true, true, "away for 8 s, and back"),
                _ => (true, false, "away until the primary is lost"),
            };
            var random = campaign.RandomOf(run);
            await using var failover = await FailoverRun.StartAsync(synchronous: true, withJournal: random.Next(2) == 0);

            await failover.FailOverAsync(away, comesBack, random);

            var stored = await failover.StoredAsync();
            var lies = failover.Ledger.Lies(stored);
            Assert.True(lies.Count == 0, $"{string.Join(" ", lies.Take(5))} {campaign.Replay(run)}");
            pauses.Add(failover.Pause.TotalSeconds);
            foreach (var row in failover.Ledger.Rows(stored))
            {
                tally.Count($"standby {standby}: {row[0]}", (int)row[1]);
            }
        }

        pauses.Sort();
        campaign.Report(string.Create(
            CultureInfo.InvariantCulture,
            $"From the order to promote to the first committed merge: {pauses[pauses.Count / 2]:F1} s (median), " +
            $"{pauses[^1]:F1} s (longest)."));
        campaign.ReportTable(["outcome", "merges"], tally.Rows);
    }

    /// <summary>The control: the same check, where merges must be lost.</summary>
    [Fact]
    public async Task Without_synchronous_replication_merges_that_were_reported_as_committed_are_lost_and_the_check_sees_them()
    {
        var campaign = Campaign.Start(output, "failover-asynchronous", shortForm: 1, fullForm: 10);
        var tally = new Tally();
        foreach (var run in campaign.Numbers)
        {
            var random = campaign.RandomOf(run);
            await using var failover = await FailoverRun.StartAsync(synchronous: false, withJournal: random.Next(2) == 0);

            await failover.FailOverAsync(away: true, comesBack: false, random);

            var stored = await failover.StoredAsync();
            Assert.Contains(failover.Ledger.Lies(stored), static lie => lie.Contains("is not there", StringComparison.Ordinal));
            foreach (var row in failover.Ledger.Rows(stored))
            {
                tally.Count($"asynchronous standby away until the primary is lost: {row[0]}", (int)row[1]);
            }
        }

        campaign.ReportTable(["outcome", "merges"], tally.Rows);
    }
}
