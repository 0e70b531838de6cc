namespace StackEnv.Merge;

/// <summary>The names under which to subscribe to the library's spans and metrics.</summary>
/// <remarks>
/// With OpenTelemetry: <c>AddSource(StackEnvMergeTelemetry.ActivitySourceName)</c> and <c>AddMeter(StackEnvMergeTelemetry.MeterName)</c>.
/// The span <c>stackenv.merge</c> has the kind <see cref="System.Diagnostics.ActivityKind.Internal"/>: its child, the driver's own span, is
/// the client's. Attributes follow the
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
