using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace StackEnv.Merge.Diagnostics;

/// <summary>The span and the instruments, under the names of <see cref="StackEnvMergeTelemetry"/>.</summary>
internal static class Telemetry
{
    public const string SpanName = "stackenv.merge";
    public const string StackKeyTag = "stackenv.stack.key";
    public const string StackOwnerTag = "stackenv.stack.owner";
    public const string OutcomeTag = "stackenv.merge.outcome";
    public const string KeysSetTag = "stackenv.merge.keys_set";
    public const string KeysDeletedTag = "stackenv.merge.keys_deleted";
    public const string LineWaitTag = "stackenv.merge.line.wait";
    public const string LineWidthTag = "stackenv.merge.line.width";
    public const string ErrorTypeTag = "error.type";

    private static readonly string? Version = typeof(Telemetry).Assembly.GetName().Version?.ToString(fieldCount: 3);

    public static readonly ActivitySource Source = new(StackEnvMergeTelemetry.ActivitySourceName, Version);

    private static readonly Meter Meter = new(StackEnvMergeTelemetry.MeterName, Version);

    // The buckets that OpenTelemetry recommends for db.client.operation.duration.
    private static readonly InstrumentAdvice<double> Durations =
        new() { HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] };

    public static readonly Histogram<double> Duration = Meter.CreateHistogram(
        "stackenv.merge.duration",
        unit: "s",
        description: "How long merges took, by outcome.",
        tags: null,
        advice: Durations);

    public static readonly Counter<long> KeysSet =
        Meter.CreateCounter<long>("stackenv.merge.keys_set", unit: "{key}", description: "Keys set by committed merges.");

    public static readonly Counter<long> KeysDeleted =
        Meter.CreateCounter<long>("stackenv.merge.keys_deleted", unit: "{key}", description: "Keys deleted by committed merges.");

    public static readonly UpDownCounter<int> Waiting = Meter.CreateUpDownCounter<int>(
        "stackenv.merge.line.waiting",
        unit: "{merge}",
        description: "Merges that wait in this process for others into the same row, and hold no connection.");

    public static readonly Histogram<double> LineWait = Meter.CreateHistogram(
        "stackenv.merge.line.wait",
        unit: "s",
        description: "How long merges waited in line, of those that had to.",
        tags: null,
        advice: Durations);

    public static readonly Histogram<int> LineWidth = Meter.CreateHistogram(
        "stackenv.merge.line.width",
        unit: "{merge}",
        description: "How many merges into one row were allowed to run at a time, as each that waited left its line.",
        tags: null,
        advice: new InstrumentAdvice<int> { HistogramBucketBoundaries = [1, 2, 4, 6, 8, 12, 16, 24, 32, 64] });
}
