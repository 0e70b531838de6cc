using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace StackEnv.Merge.Tests;

/// <summary>What a host sees of its merges: log events, spans and metrics.</summary>
public sealed class ObservabilityTests : DatabaseTest
{
    private static readonly AsyncLocal<object?> CurrentTest = new();

    [Fact]
    public async Task Event_ids_names_and_levels_are_frozen()
    {
        var events = typeof(StackEnvMerger).Assembly.GetType("StackEnv.Merge.Diagnostics.Log")!
            .GetMethods(BindingFlags.Static | BindingFlags.Public)
            .Select(static method => (method.Name, Event: method.GetCustomAttribute<LoggerMessageAttribute>()!))
            .OrderBy(static entry => entry.Event.EventId)
            .Select(static entry => $"{entry.Event.EventId} {entry.Name} {entry.Event.Level}: {entry.Event.Message}");

        await Verifier.Verify(string.Join('\n', events));
    }

    [Fact]
    public async Task Instruments_are_frozen()
    {
        await Database.Merger.MergeAsync(await Database.InsertAsync(), Changes());
        var instruments = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name is "StackEnv.Merge")
                {
                    var buckets = (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries;
                    instruments.Add(
                        $"{instrument.Name} {instrument.Unit}: " +
                        $"{instrument.Description}{(buckets is null ? "" : $" Up to {string.Join(", ", buckets)}.")}");
                }
            },
        };

        listener.Start();

        await Verifier.Verify(string.Join('\n', instruments.Order(StringComparer.Ordinal)));
    }

    [Fact]
    public async Task Each_outcome_is_one_event()
    {
        var logger = new FakeLogger<StackEnvMerger>();
        var merger = new StackEnvMerger(
            Database.DataSource, new() { KeyColumn = "slug", LockTimeout = TimeSpan.FromMilliseconds(50) }, logger);
        await InsertAsync("shop", "healthy");
        await InsertAsync("gone", "deleting");

        await merger.MergeAsync("shop", Changes(("A", "1"), ("B", "2")));
        await merger.MergeAsync("shop", Changes(("A", "1")));
        await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync("gone", Changes(("A", "1"))));
        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => merger.MergeAsync("shop", Changes(("bad key", "1"))));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => merger.MergeAsync("shop", Changes(("A", "2")), new CancellationToken(canceled: true)));
        await using (await Database.LockAsync(await Database.ScalarAsync<Guid>("SELECT id FROM stacks WHERE slug = 'shop'")))
        {
            await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync("shop", Changes(("A", "2"))));
        }

        var (proxy, proxied) = WireProxy.InFrontOf(Database.ConnectionString);
        await using (proxy)
        {
            await using (proxied)
            {
                proxy.Arm(WireFault.BeforeServer("COMMIT", WireAction.Close));
                await Assert.ThrowsAsync<MergeOutcomeUnknownException>(
                    () => new StackEnvMerger(proxied, new() { KeyColumn = "slug" }, logger).MergeAsync("shop", Changes(("A", "3"))));
            }
        }

        await Database.ExecuteAsync("ALTER TABLE stacks RENAME TO elsewhere");
        await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync("shop", Changes(("A", "2"))));

        var events =
            from record in logger.Collector.GetSnapshot()
            let fields = record.StructuredState!.Where(static field => field.Key is not ("{OriginalFormat}" or "ElapsedMs"))
            let shown = fields.Select(static field => $"{field.Key}={field.Value}")
            select $"{record.Id.Id} {record.Id.Name} {record.Level}: {string.Join(", ", shown)}";
        await Verifier.Verify(string.Join('\n', events));
    }

    [Fact]
    public async Task A_merge_is_a_span_with_its_outcome_and_counts()
    {
        var spans = new List<Activity>();
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        using var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "StackEnv.Merge",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                if (span.GetTagItem("stackenv.stack.key") is string key && key == id.ToString())
                {
                    spans.Add(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);

        await Database.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", "")));
        await Database.Merger.MergeAsync(id, Changes(("A", "1")));
        await Assert.ThrowsAsync<StackNotFoundException>(
            () => Database.Merger.MergeAsync(((StackRef)id).OwnedBy(Guid.NewGuid()), Changes()));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Database.Merger.MergeAsync(id, Changes(), new CancellationToken(canceled: true)));
        var misused = Database.MergerWith(static options => options.IsValidKey = static _ => throw new NotSupportedException());
        await Assert.ThrowsAsync<NotSupportedException>(() => misused.MergeAsync(id, Changes(("A", "1"))));

        Assert.All(spans, static span => Assert.Equal(("stackenv.merge", ActivityKind.Internal), (span.OperationName, span.Kind)));
        Assert.Equal(
            ["committed", "unchanged", "not_found", "cancelled", "error"],
            spans.Select(static span => span.GetTagItem("stackenv.merge.outcome")));
        Assert.Equal((1, 1), (spans[0].GetTagItem("stackenv.merge.keys_set"), spans[0].GetTagItem("stackenv.merge.keys_deleted")));
        Assert.Equal(
            [
                ActivityStatusCode.Unset,
                ActivityStatusCode.Unset,
                ActivityStatusCode.Error,
                ActivityStatusCode.Unset,
                ActivityStatusCode.Error,
            ],
            spans.Select(static span => span.Status));
        Assert.Equal("not_found", spans[2].GetTagItem("error.type"));
    }

    [Fact]
    public async Task Merges_are_measured_by_outcome_and_keys_counted_when_committed()
    {
        var measured = new List<(string Instrument, double Value, string? Outcome)>();
        CurrentTest.Value = measured;
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name is "StackEnv.Merge")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            // Instruments are the process's; this test's merges flow with its execution context.
            if (ReferenceEquals(CurrentTest.Value, measured))
            {
                measured.Add((instrument.Name, value, tags.Length == 0 ? null : $"{tags[0].Key}={tags[0].Value}"));
            }
        }

        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.Start();
        var id = await Database.InsertAsync("""{"OLD": "o"}""");

        await Database.Merger.MergeAsync(id, Changes(("A", "1"), ("B", "2"), ("OLD", "")));
        await Database.Merger.MergeAsync(id, Changes(("A", "1")));
        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => Database.Merger.MergeAsync(id, Changes(("a", "1"))));

        Assert.Equal(
            ["stackenv.merge.outcome=committed", "stackenv.merge.outcome=unchanged", "stackenv.merge.outcome=invalid_env_key"],
            measured.Where(static entry => entry.Instrument is "stackenv.merge.duration").Select(static entry => entry.Outcome));
        Assert.All(
            measured.Where(static entry => entry.Instrument is "stackenv.merge.duration"),
            static entry => Assert.InRange(entry.Value, 0, 60));
        Assert.Equal(2, measured.Where(static entry => entry.Instrument is "stackenv.merge.keys_set").Sum(static entry => entry.Value));
        Assert.Equal(1, measured.Where(static entry => entry.Instrument is "stackenv.merge.keys_deleted").Sum(static entry => entry.Value));
    }

    private Task InsertAsync(string slug, string status) =>
        Database.ExecuteAsync("INSERT INTO stacks (slug, status) VALUES ($1, $2)", slug, status);
}
