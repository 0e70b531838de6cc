using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A logger or a listener that throws changes nothing about a merge: not its outcome, not its exception, not what is counted.
/// </summary>
public sealed class ObserverTests : DatabaseTest
{
    // Listeners see the merges of the whole process; they throw only in those of the test that made them.
    private static readonly AsyncLocal<string?> Throwing = new();

    [Theory]
    [InlineData("Log")]
    [InlineData("IsEnabled")]
    public async Task A_logger_that_throws_changes_no_outcome(string where)
    {
        using var factory = LoggerFactory.Create(builder =>
        {
            builder.SetMinimumLevel(LogLevel.Trace);
            builder.AddProvider(new ThrowingProvider(where));
        });

        await AssertEveryOutcomeAsync(new ThrowingLogger<StackEnvMerger>(where));
        await AssertEveryOutcomeAsync(factory.CreateLogger<StackEnvMerger>());
    }

    [Theory]
    [InlineData("stackenv.merge.duration")]
    [InlineData("stackenv.merge.keys_set")]
    [InlineData("stackenv.merge.keys_deleted")]
    public async Task A_meter_listener_that_throws_changes_no_outcome(string instrument)
    {
        using var listener = new MeterListener { InstrumentPublished = static (published, listener) => Enable(published, listener) };
        listener.SetMeasurementEventCallback<double>(Throw);
        listener.SetMeasurementEventCallback<long>(Throw);
        listener.Start();
        Throwing.Value = instrument;

        await AssertEveryOutcomeAsync(logger: null);

        static void Throw<T>(Instrument measured, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state) =>
            ThrowIf(measured.Name);
    }

    [Theory]
    [InlineData("Sample")]
    [InlineData("ActivityStarted")]
    [InlineData("ActivityStopped")]
    public async Task An_activity_listener_that_throws_changes_no_outcome(string callback)
    {
        using var listener = ThrowingActivityListener();
        Throwing.Value = callback;

        await AssertEveryOutcomeAsync(logger: null);
    }

    [Theory]
    [InlineData("stackenv.merge.line.waiting")]
    [InlineData("stackenv.merge.line.wait")]
    [InlineData("stackenv.merge.line.width")]
    public async Task A_meter_listener_that_throws_loses_no_place_in_line(string instrument)
    {
        var thrown = 0;
        using var listener = new MeterListener { InstrumentPublished = static (published, listener) => Enable(published, listener) };
        listener.SetMeasurementEventCallback<int>((measured, _, _, _) => Throw(measured));
        listener.SetMeasurementEventCallback<double>((measured, _, _, _) => Throw(measured));
        listener.Start();
        Throwing.Value = instrument;

        await AssertEveryPlaceInLineAsync(logger: null);

        Assert.NotEqual(0, thrown);

        void Throw(Instrument measured)
        {
            if (string.Equals(Throwing.Value, measured.Name, StringComparison.Ordinal))
            {
                Interlocked.Increment(ref thrown);
                ThrowIf(measured.Name);
            }
        }
    }

    [Theory]
    [InlineData("Log")]
    [InlineData("IsEnabled")]
    public Task A_logger_that_throws_loses_no_place_in_line(string where) =>
        AssertEveryPlaceInLineAsync(new ThrowingLogger<StackEnvMerger>(where));

    [Theory]
    [InlineData("Sample")]
    [InlineData("ActivityStarted")]
    [InlineData("ActivityStopped")]
    public async Task An_activity_listener_that_throws_loses_no_place_in_line(string callback)
    {
        using var listener = ThrowingActivityListener();
        Throwing.Value = callback;

        await AssertEveryPlaceInLineAsync(logger: null);
    }

    [Theory]
    [InlineData("stackenv.merge.keys_set", false)]
    [InlineData("stackenv.merge.keys_deleted", false)]
    [InlineData("", true)]
    public async Task What_is_measured_is_counted_once_when_another_observer_throws(string throwingInstrument, bool loggerThrows)
    {
        var id = await Database.InsertAsync();
        var outcomes = new List<string?>();
        using var listener = new MeterListener { InstrumentPublished = static (published, listener) => Enable(published, listener) };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            if (Throwing.Value is not null)
            {
                outcomes.Add(tags[0].Value as string);
            }
        });
        listener.SetMeasurementEventCallback<long>(static (measured, _, _, _) => ThrowIf(measured.Name));
        listener.Start();
        Throwing.Value = throwingInstrument;

        var merger = new StackEnvMerger(Database.DataSource, logger: loggerThrows ? new ThrowingLogger<StackEnvMerger>("Log") : null);
        await Record.ExceptionAsync(() => merger.MergeAsync(id, Changes(("A", "1"))));
        await Record.ExceptionAsync(() => merger.MergeAsync(Guid.NewGuid(), Changes(("A", "1"))));

        Assert.Equal(["committed", "not_found"], outcomes);
    }

    private static void Enable(Instrument instrument, MeterListener listener)
    {
        if (instrument.Meter.Name is "StackEnv.Merge")
        {
            listener.EnableMeasurementEvents(instrument);
        }
    }

    private static ActivityListener ThrowingActivityListener()
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "StackEnv.Merge",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) =>
            {
                ThrowIf("Sample");
                return ActivitySamplingResult.AllDataAndRecorded;
            },
            ActivityStarted = static _ => ThrowIf("ActivityStarted"),
            ActivityStopped = static _ => ThrowIf("ActivityStopped"),
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private static void ThrowIf(string observer)
    {
        if (string.Equals(Throwing.Value, observer, StringComparison.Ordinal))
        {
            throw new FormatException("An observer failed.");
        }
    }

    private async Task AssertEveryOutcomeAsync(ILogger<StackEnvMerger>? logger)
    {
        var merger = new StackEnvMerger(Database.DataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(50) }, logger);
        var id = await Database.InsertAsync("""{"OLD": "o"}""");

        var result = await merger.MergeAsync(id, Changes(("A", "1"), ("OLD", "")));
        Assert.Equal((1, 1, true), (result.KeysSet, result.KeysDeleted, result.Changed));
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.False((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);

        await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(Guid.NewGuid(), Changes(("A", "2"))));
        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => merger.MergeAsync(id, Changes(("bad key", "2"))));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => merger.MergeAsync(id, Changes(("A", "2")), new CancellationToken(canceled: true)));
        await using (await Database.LockAsync(id))
        {
            await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("A", "2"))));
        }

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    // Of a pool of two, a line takes one: a place that is lost stops it.
    private async Task AssertEveryPlaceInLineAsync(ILogger<StackEnvMerger>? logger)
    {
        var bound = TimeSpan.FromSeconds(20);
        var id = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(static settings => settings.MaxPoolSize = 2);
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = bound }, logger);
        for (var round = 1; round <= 3; round++)
        {
            using var caller = new CancellationTokenSource();
            await using var holder = await Database.LockAsync(id);
            var cancelled = Enumerable.Range(0, 2).Select(_ => merger.MergeAsync(id, Changes(("NEVER", "1")), caller.Token)).ToArray();
            var merging = Enumerable.Range(0, 4).Select(number => merger.MergeAsync(id, Changes(($"K_{number}", $"{round}")))).ToArray();
            await Database.WaitersAsync(1);

            // One of them has the row's turn, and the other is in line.
            await caller.CancelAsync();
            foreach (var merge in cancelled)
            {
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => merge.WaitAsync(bound));
            }

            await holder.DisposeAsync();
            var results = await Task.WhenAll(merging).WaitAsync(bound);
            Assert.All(results, static result => Assert.True(result.Changed));
        }

        Assert.Equal("""{"K_0": "3", "K_1": "3", "K_2": "3", "K_3": "3"}""", await Database.EnvAsync(id));
    }

    private class ThrowingLogger(string where) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => where == "IsEnabled" ? throw new FormatException("A logger failed.") : true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            throw new FormatException("A logger failed.");
    }

    private sealed class ThrowingLogger<T>(string where) : ThrowingLogger(where), ILogger<T>;

    [SuppressMessage("Performance", "CA1812", Justification = "The test makes it.")]
    private sealed class ThrowingProvider(string where) : ILoggerProvider
    {
        public ILogger CreateLogger(string categoryName) => new ThrowingLogger(where);

        public void Dispose()
        {
        }
    }
}
