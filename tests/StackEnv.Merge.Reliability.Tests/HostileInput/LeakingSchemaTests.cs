using System.Collections.Concurrent;
using System.Globalization;
using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Whatever a schema or a journal makes the server say, no value shows anywhere, and a merge that failed wrote nothing.</summary>
public sealed class LeakingSchemaTests(ITestOutputHelper output) : IAsyncLifetime
{
    private const int Lanes = 4;

    private readonly ConcurrentBag<TestDatabase> _lanes = [];

    public async Task InitializeAsync()
    {
        foreach (var lane in await Task.WhenAll(Enumerable.Range(0, Lanes).Select(static _ => TestDatabase.CreateAsync())))
        {
            await lane.ExecuteAsync(
                "CREATE TABLE seen (was boolean); CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'");
            _lanes.Add(lane);
        }
    }

    public async Task DisposeAsync()
    {
        foreach (var lane in _lanes)
        {
            await lane.DisposeAsync();
        }
    }

    [Fact]
    public async Task No_schema_and_no_journal_makes_a_value_show()
    {
        var campaign = Campaign.Start(output, "leaking-schemas", shortForm: 600, fullForm: 20_000);
        var told = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var places = new ConcurrentDictionary<string, int>(StringComparer.Ordinal);
        var (leaks, lies) = (new ConcurrentQueue<string>(), new ConcurrentQueue<string>());
        var texts = 0;

        await Parallel.ForEachAsync(campaign.Numbers, new ParallelOptions { MaxDegreeOfParallelism = Lanes }, async (run, _) =>
        {
            Assert.True(_lanes.TryTake(out var lane));
            var marker = string.Create(CultureInfo.InvariantCulture, $"pl4nt3d{run:D6}x");
            var (schema, secret) = Gen.Select(LeakingSchema.Any, HostileText.Storable, HostileText.Storable)
                .Select((schema, before, after) => (schema, before + marker + after))
                .Generate(new PCG((uint)run, unchecked((ulong)campaign.Seed)), null, out Size _);
            using var watch = new LeakWatch(marker, "StackEnv.Merge");
            var verdict = await TryAsync(lane, schema, secret, watch);
            told.AddOrUpdate(verdict, 1, static (_, count) => count + 1);
            places.AddOrUpdate(schema.Place, 1, static (_, count) => count + 1);
            Interlocked.Add(ref texts, watch.Seen.Values.Sum());
            if (watch.Leaks is [var leak, ..])
            {
                leaks.Enqueue($"{schema}\n{leak}\n{campaign.Replay(run)}");
            }

            if (verdict.StartsWith("wrong", StringComparison.Ordinal))
            {
                lies.Enqueue($"{schema}\n{verdict}\n{campaign.Replay(run)}");
            }

            _lanes.Add(lane);
        });

        campaign.ReportTable(
            ["schemas that leak", "runs"],
            [
                .. told.Where(static kind => !kind.Key.StartsWith("wrong", StringComparison.Ordinal))
                    .OrderBy(static kind => kind.Key, StringComparer.Ordinal)
                    .Select(static kind => new object[] { $"told {kind.Key}", kind.Value }),
                .. places.OrderBy(static place => place.Key, StringComparer.Ordinal)
                    .Select(static place => new object[] { $"in {place.Key}", place.Value }),
                ["texts that were searched for the secret", texts],
                ["runs in which one was found", leaks.Count],
                ["runs in which the row is not as the caller was told", lies.Count],
            ]);
        Assert.True(leaks.IsEmpty, leaks.TryPeek(out var firstLeak) ? firstLeak : "");
        Assert.True(lies.IsEmpty, lies.TryPeek(out var firstLie) ? firstLie : "");
    }

    private static async Task<string> TryAsync(TestDatabase lane, LeakingSchema schema, string secret, LeakWatch watch)
    {
        var stored = System.Text.Json.JsonSerializer.Serialize(
            new Dictionary<string, string>(StringComparer.Ordinal) { ["KEPT"] = secret });
        var id = await lane.ScalarAsync<Guid>(
            "INSERT INTO stacks (slug, status, env_vars) VALUES ('run', 'healthy', $1::text::jsonb) RETURNING id", stored);
        await lane.ExecuteAsync(schema.Make);
        try
        {
            var before = await lane.FootprintAsync(id);
            IStackEnvMergeJournal[] journals = schema.Journal is { } record ? [new Journal((_, _) => [record(secret)])] : [];
            var merger = new StackEnvMerger(lane.DataSource, new() { MaxEnvBytes = 1 << 20 }, watch, journals);
            string verdict;
            try
            {
                watch.Read(
                    "result",
                    (await merger.MergeAsync(
                        id, new Dictionary<string, string?>(StringComparer.Ordinal) { ["ARM"] = "1", ["SET"] = secret })).ToString());
                verdict = "merged";
            }
#pragma warning disable CA1031 // Whatever is thrown is what the caller is told.
            catch (Exception failure)
#pragma warning restore CA1031
            {
                watch.Read(failure);
                verdict = failure switch
                {
                    // A failure of the driver, if it is not the server's, holds nothing that the server said.
                    StackEnvStoreException { SqlState: { } sqlState } => $"store_error of class {sqlState[..2]}",
                    StackEnvMergeException ours => ours.ErrorCode,
                    _ => $"wrong: {failure}",
                };
            }

            var isWritten = !string.Equals(before, await lane.FootprintAsync(id), StringComparison.Ordinal);
            return verdict.StartsWith("wrong", StringComparison.Ordinal)
                || isWritten == verdict is "merged" ? verdict : $"wrong: told {verdict}, and written: {isWritten}";
        }
        finally
        {
            await lane.ExecuteAsync(schema.Drop);

            // CREATE INDEX evaluates deleted rows too as long as another transaction may see them.
            await lane.ExecuteAsync("TRUNCATE stacks");
        }
    }
}
