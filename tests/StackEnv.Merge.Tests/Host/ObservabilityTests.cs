using System.Collections.ObjectModel;
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
        using var listener = ListenToSpans(id, spans);

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
        using var listener = Listen(measured);
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

    [Fact]
    public async Task The_owner_is_on_the_span_if_the_merge_names_one()
    {
        const string Tag = "stackenv.stack.owner";
        var spans = new List<Activity>();
        var team = Guid.NewGuid();
        StackRef stack = await Database.InsertAsync(team: team);
        using var listener = ListenToSpans(stack.Key, spans);

        await Database.Merger.MergeAsync(stack.OwnedBy(team), Changes());
        await Database.Merger.MergeAsync(stack, Changes());

        Assert.Equal(2, spans.Count);
        Assert.Equal(team.ToString(), spans[0].GetTagItem(Tag));
        Assert.DoesNotContain(spans[1].TagObjects, static tag => tag.Key is Tag);
    }

    [Fact]
    public async Task A_merge_that_was_committed_into_an_unsuitable_table_has_an_outcome_of_its_own()
    {
        await Database.ExecuteAsync(Trigger.On("NEW.env_vars := '[]'"));
        var id = await Database.InsertAsync();
        var spans = new List<Activity>();
        var measured = new List<(string Instrument, double Value, string? Outcome)>();
        using var spanListener = ListenToSpans(id, spans);
        using var listener = Listen(measured);

        var failure = await Assert.ThrowsAsync<UnsuitableTableException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.True(failure.IsCommitted);
        AssertFailedOnce(spans, measured, "committed_anomaly");
    }

    [Fact]
    public async Task What_the_enumeration_of_the_changes_throws_is_measured_as_an_error()
    {
        var id = await Database.InsertAsync();
        var spans = new List<Activity>();
        var measured = new List<(string Instrument, double Value, string? Outcome)>();
        using var spanListener = ListenToSpans(id, spans);
        using var listener = Listen(measured);

        await Assert.ThrowsAsync<NotSupportedException>(() => Database.Merger.MergeAsync(id, new Unreadable()));

        AssertFailedOnce(spans, measured, "error");
    }

    [Fact]
    public async Task The_duration_includes_the_waits_for_a_connection_and_for_the_row()
    {
        var wait = TimeSpan.FromMilliseconds(300);
        var id = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(static settings => settings.MaxPoolSize = 1);
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(20) });
        var measured = new List<(string Instrument, double Value, string? Outcome)>();
        using var listener = Listen(measured);
        await using var row = await Database.LockAsync(id);
        var connection = await dataSource.OpenConnectionAsync();

        var merging = merger.MergeAsync(id, Changes(("A", "1")));
        var watch = Stopwatch.StartNew();
        await Task.Delay(wait);
        await connection.DisposeAsync();
        await Database.WaitersAsync(1);
        await Task.Delay(wait);
        var waited = watch.Elapsed;
        await row.DisposeAsync();
        await merging;

        var duration = Assert.Single(measured, static entry => entry.Instrument is "stackenv.merge.duration");
        Assert.InRange(duration.Value, waited.TotalSeconds, 60);
    }

    private static void AssertFailedOnce(
        List<Activity> spans, List<(string Instrument, double Value, string? Outcome)> measured, string outcome)
    {
        var span = Assert.Single(spans);
        Assert.Equal((outcome, outcome), (span.GetTagItem("stackenv.merge.outcome"), span.GetTagItem("error.type")));
        Assert.Equal(ActivityStatusCode.Error, span.Status);
        var (instrument, _, measuredOutcome) = Assert.Single(measured);
        Assert.Equal(("stackenv.merge.duration", $"stackenv.merge.outcome={outcome}"), (instrument, measuredOutcome));
    }

    private static ActivityListener ListenToSpans(object key, List<Activity> spans)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "StackEnv.Merge",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                if (span.GetTagItem("stackenv.stack.key") is string of && of == $"{key}")
                {
                    spans.Add(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static MeterListener Listen(List<(string Instrument, double Value, string? Outcome)> measured)
    {
        CurrentTest.Value = measured;
        var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name is "StackEnv.Merge")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Note(instrument, value, tags));
        listener.Start();
        return listener;

        void Note(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            // Instruments are the process's; this test's merges flow with its execution context.
            if (ReferenceEquals(CurrentTest.Value, measured))
            {
                measured.Add((instrument.Name, value, tags.Length == 0 ? null : $"{tags[0].Key}={tags[0].Value}"));
            }
        }
    }

    private Task InsertAsync(string slug, string status) =>
        Database.ExecuteAsync("INSERT INTO stacks (slug, status) VALUES ($1, $2)", slug, status);

    private sealed class Unreadable : ReadOnlyDictionary<string, string?>, IEnumerable<KeyValuePair<string, string?>>
    {
        public Unreadable()
            : base(new Dictionary<string, string?> { ["A"] = "1" })
        {
        }

        IEnumerator<KeyValuePair<string, string?>> IEnumerable<KeyValuePair<string, string?>>.GetEnumerator() =>
            throw new NotSupportedException();
    }
}
