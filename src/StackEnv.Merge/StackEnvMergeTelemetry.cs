namespace StackEnv.Merge;

/// <summary>The names to subscribe to the library's spans and metrics with.</summary>
/// <remarks>
/// With OpenTelemetry: <c>AddSource(StackEnvMergeTelemetry.ActivitySourceName)</c> and <c>AddMeter(StackEnvMergeTelemetry.MeterName)</c>.
/// The span <c>stackenv.merge</c> is of the kind <see cref="System.Diagnostics.ActivityKind.Internal"/>: the client's is the driver's own,
/// below it. Attributes follow the
/// <see href="https://opentelemetry.io/docs/specs/semconv/general/recording-errors/">conventions of OpenTelemetry</see>: a failure has its
/// <see cref="StackEnvMergeException.ErrorCode"/> as <c>error.type</c>.
/// </remarks>
public static class StackEnvMergeTelemetry
{
    /// <summary>The name of the <see cref="System.Diagnostics.ActivitySource"/>.</summary>
    public const string ActivitySourceName = "StackEnv.Merge";

    /// <summary>The name of the <see cref="System.Diagnostics.Metrics.Meter"/>.</summary>
    public const string MeterName = "StackEnv.Merge";
}
