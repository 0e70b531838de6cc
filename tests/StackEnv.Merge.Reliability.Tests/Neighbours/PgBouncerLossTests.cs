using System.Collections.Concurrent;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>PgBouncer is killed while merges are under way: what each caller is told is what happened.</summary>
public sealed class PgBouncerLossTests(ITestOutputHelper output) : DatabaseTest
{
    private const int Clients = 8;

    public static TheoryData<string> Versions => PgBouncerProgram.Versions;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Whenever_PgBouncer_is_killed_every_outcome_is_true(string version)
    {
        var program = PgBouncerProgram.OfVersion(version);
        var campaign = Campaign.Start(output, $"pgbouncer-{version}-killed", shortForm: 20, fullForm: 1_000);
        await Journal.CreateAuditAsync(Database);
        var tally = new Dictionary<string, int>(StringComparer.Ordinal);

        foreach (var run in campaign.Numbers)
        {
            var random = campaign.RandomOf(run);
            var withJournal = random.Next(2) == 0;
            var id = await Database.InsertAsync();
            await using var pooler = await PgBouncer.StartAsync(program, Database);
            await using var dataSource = pooler.DataSource(static settings => (settings.CancellationTimeout, settings.Timeout) = (200, 1));
            var merger = new StackEnvMerger(dataSource, new() { Schema = Database.Schema }, journals: withJournal ? [SchemaAudit()] : []);
            var told = new ConcurrentDictionary<string, string>(StringComparer.Ordinal);

            var merging = Enumerable.Range(0, Clients).Select(client => MergeUntilLostAsync(merger, id, client, told)).ToArray();
            while (told.IsEmpty)
            {
                await Task.Delay(1);
            }

            await Task.Delay(TimeSpan.FromMilliseconds(random.NextDouble() * 20));
            await pooler.KillAsync();
            await Task.WhenAll(merging);
            await QuiesceAsync();

            var stored = await Database.ScalarAsync<string[]>(
                "SELECT array(SELECT jsonb_object_keys(env_vars)) FROM stacks WHERE id = $1", id);
            var audited = await Database.ScalarAsync<long>("SELECT count(*) FROM audit WHERE stack = $1", id);
            Assert.True(
                audited == (withJournal ? stored!.Length : 0), $"{audited} audit rows and {stored!.Length} keys. {campaign.Replay(run)}");
            foreach (var (key, outcome) in told)
            {
                var merged = stored.Contains(key, StringComparer.Ordinal);
                Assert.True(
                    outcome is "unknown" || outcome is "committed" == merged,
                    $"{key} is {(merged ? "there" : "not there")}, and the caller was told {outcome}. {campaign.Replay(run)}");
                var kind = $"told {outcome}, was {(merged ? "committed" : "not committed")}";
                tally[kind] = tally.GetValueOrDefault(kind) + 1;
            }
        }

        campaign.ReportTable(["outcome", "merges"], tally.OrderBy(static entry => entry.Key, StringComparer.Ordinal).Select(
            static entry => (object[])[entry.Key, entry.Value]));
    }

    private static async Task MergeUntilLostAsync(StackEnvMerger merger, Guid id, int client, ConcurrentDictionary<string, string> told)
    {
        for (var merge = 0; ; merge++)
        {
            var key = $"K_{client}_{merge}";
            try
            {
                await merger.MergeAsync(id, Changes((key, "v")));
                told[key] = "committed";
            }
            catch (MergeOutcomeUnknownException)
            {
                told[key] = "unknown";
                return;
            }
            catch (StackEnvStoreException)
            {
                told[key] = "not committed";
                return;
            }
        }
    }

    // PgBouncer takes no search path from its clients.
    private Journal SchemaAudit() => new((stack, _) =>
        [new($"INSERT INTO {Database.Schema}.audit (stack) VALUES ($1)") { Parameters = { new() { Value = stack.Key } } }]);

    // A session whose client is gone may still be carrying out what it has received.
    private async Task QuiesceAsync()
    {
        while (await Database.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid() AND state <> 'idle'",
            Database.Schema) > 0)
        {
            await Task.Delay(1);
        }
    }
}
