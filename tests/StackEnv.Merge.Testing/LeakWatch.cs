using System.Collections;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Text;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>
/// Reads everything of merges that a host may print or send away (spans, metrics, log records, exceptions) and notes where a planted text
/// shows up in it.
/// </summary>
public sealed class LeakWatch : ILogger<StackEnvMerger>, IDisposable
{
    private const int MostLeaksKept = 10;

    private readonly Lock _gate = new();
    private readonly string _planted;
    private readonly ActivityListener _spans;
    private readonly MeterListener _metrics;
    private readonly List<string> _leaks = [];
    private readonly Dictionary<string, int> _seen = new(StringComparer.Ordinal);

    /// <param name="planted">What every secret of the test contains, and nothing else does.</param>
    /// <param name="sources">Whose spans and metrics are read.</param>
    public LeakWatch(string planted, params string[] sources)
    {
        _planted = planted;
        _spans = new()
        {
            ShouldListenTo = source => sources.Contains(source.Name, StringComparer.Ordinal),
            Sample = static (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = ReadSpan,
        };
        ActivitySource.AddActivityListener(_spans);
        _metrics = new()
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (sources.Contains(instrument.Meter.Name, StringComparer.Ordinal))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        _metrics.SetMeasurementEventCallback<double>((instrument, _, tags, _) => ReadMeasurement(instrument, tags));
        _metrics.SetMeasurementEventCallback<long>((instrument, _, tags, _) => ReadMeasurement(instrument, tags));
        _metrics.SetMeasurementEventCallback<int>((instrument, _, tags, _) => ReadMeasurement(instrument, tags));
        _metrics.Start();
    }

    /// <summary>The first texts that hold what was planted.</summary>
    public IReadOnlyList<string> Leaks
    {
        get
        {
            lock (_gate)
            {
                return [.. _leaks];
            }
        }
    }

    /// <summary>How many texts were read, by where they came from: so that a test can show that it did watch.</summary>
    public IReadOnlyDictionary<string, int> Seen
    {
        get
        {
            lock (_gate)
            {
                return new Dictionary<string, int>(_seen, StringComparer.Ordinal);
            }
        }
    }

    public void Dispose()
    {
        _spans.Dispose();
        _metrics.Dispose();
    }

    /// <summary>
    /// Reads what a host might print of a failure: messages, texts, data and every public property, through the whole chain.
    /// </summary>
    public void Read(Exception failure)
    {
        ArgumentNullException.ThrowIfNull(failure);
        var text = new StringBuilder(failure.ToString()).AppendLine();
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            Assert.IsNotType<PostgresException>(cause);
            text.AppendLine(cause.Message);
            foreach (DictionaryEntry entry in cause.Data)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"{entry.Key}={entry.Value}");
            }

            foreach (var property in cause.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"{property.Name}={property.GetValue(cause)}");
            }
        }

        Read(failure.GetType().Name, text.ToString());
    }

    /// <summary>Reads any other text.</summary>
    public void Read(string origin, string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        lock (_gate)
        {
            _seen[origin] = _seen.GetValueOrDefault(origin) + 1;
            if (text.Contains(_planted, StringComparison.Ordinal) && _leaks.Count < MostLeaksKept)
            {
                _leaks.Add($"{origin}: {text}");
            }
        }
    }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        Assert.Null(exception);
        var fields = state as IEnumerable<KeyValuePair<string, object?>> ?? [];
        Read(
            $"log {eventId.Name}",
            $"{formatter(state, exception)} {string.Join(' ', fields.Select(static field => $"{field.Key}={field.Value}"))}");
    }

    private void ReadSpan(Activity span)
    {
        var text = new StringBuilder($"{span.DisplayName} {span.StatusDescription} ");
        AppendTags(text, span.TagObjects);
        foreach (var happening in span.Events)
        {
            AppendTags(text.Append(happening.Name).Append(' '), happening.Tags);
        }

        AppendTags(text, span.Baggage.Select(static item => KeyValuePair.Create<string, object?>(item.Key, item.Value)));
        Read($"span {span.OperationName} {span.GetTagItem("stackenv.merge.outcome")}".TrimEnd(), text.ToString());
    }

    private void ReadMeasurement(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var text = new StringBuilder();
        AppendTags(text, tags.ToArray());
        Read($"metric {instrument.Name}", text.ToString());
    }

    private static void AppendTags(StringBuilder text, IEnumerable<KeyValuePair<string, object?>> tags) =>
        text.AppendJoin(' ', tags.Select(static tag => $"{tag.Key}={tag.Value}")).Append(' ');
}
