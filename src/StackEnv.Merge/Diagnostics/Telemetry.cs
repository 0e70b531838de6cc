using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace StackEnv.Merge.Diagnostics;

/// <summary>The span and the instruments, all under the name <c>StackEnv.Merge</c>.</summary>
internal static class Telemetry
{
    public const string Name = "StackEnv.Merge";
    public const string SpanName = "stackenv.merge";
    public const string StackTag = "stackenv.stack";
    public const string OutcomeTag = "stackenv.merge.outcome";
    public const string KeysSetTag = "stackenv.merge.keys_set";
    public const string KeysDeletedTag = "stackenv.merge.keys_deleted";
    public const string ErrorTypeTag = "error.type";

    public static readonly ActivitySource Source = new(Name);

    private static readonly Meter Meter = new(Name);

    public static readonly Histogram<double> Duration = Meter.CreateHistogram(
        "stackenv.merge.duration",
        unit: "s",
        description: "How long merges took, by outcome.",
        tags: null,
        // The buckets that OpenTelemetry recommends for db.client.operation.duration.
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10] });

    public static readonly Counter<long> KeysSet =
        Meter.CreateCounter<long>("stackenv.merge.keys_set", unit: "{key}", description: "Keys set by committed merges.");

    public static readonly Counter<long> KeysDeleted =
        Meter.CreateCounter<long>("stackenv.merge.keys_deleted", unit: "{key}", description: "Keys deleted by committed merges.");
}
