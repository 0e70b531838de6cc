using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace StackEnv.Merge.Diagnostics;

/// <summary>One merge as seen from outside: a span, a duration by outcome, and one log event.</summary>
/// <remarks>
/// Loggers and listeners are the host's code. What one of them throws changes neither the outcome nor what the others see: each is called
/// once, by itself, and its exception is dropped.
/// </remarks>
internal readonly struct MergeObservation : IDisposable
{
    private readonly StackRef _stack;
    private readonly ILogger _logger;
    private readonly Activity? _activity;
    private readonly long _startedAt;

    private MergeObservation(StackRef stack, ILogger logger)
    {
        _stack = stack;
        _logger = logger;
        _activity = StartActivity(stack);
        _startedAt = Stopwatch.GetTimestamp();
    }

    public static MergeObservation Start(StackRef stack, ILogger logger) => new(stack, logger);

    /// <summary>The merge has to wait for its turn at the row.</summary>
    public static void EnteredLine() => Shielded(1, static one => Telemetry.Waiting.Add(one));

    public void Dispose() => Shielded(_activity, static activity => activity?.Dispose());

    /// <summary>It no longer waits: its turn came, or it gave up.</summary>
    /// <param name="waited">How long it waited.</param>
    /// <param name="width">How many merges into the row may run at a time now.</param>
    public void LeftLine(TimeSpan waited, int width)
    {
        Shielded(-1, static minusOne => Telemetry.Waiting.Add(minusOne));
        Shielded(waited, static waited => Telemetry.LineWait.Record(waited.TotalSeconds));
        Shielded(width, static width => Telemetry.LineWidth.Record(width));
        if (_activity is { } activity)
        {
            activity.SetTag(Telemetry.LineWaitTag, waited.TotalSeconds);
            activity.SetTag(Telemetry.LineWidthTag, width);
        }
    }

    public void Succeeded(MergeResult result)
    {
        var elapsed = End(result.Changed ? "committed" : "unchanged", error: null);
        if (_activity is { } activity)
        {
            activity.SetTag(Telemetry.KeysSetTag, result.KeysSet);
            activity.SetTag(Telemetry.KeysDeletedTag, result.KeysDeleted);
        }

        if (result.Changed)
        {
            Shielded(result, static result => Telemetry.KeysSet.Add(result.KeysSet));
            Shielded(result, static result => Telemetry.KeysDeleted.Add(result.KeysDeleted));
        }

        Shielded((_logger, _stack, result, elapsed), static merge =>
        {
            var (logger, stack, result, elapsed) = merge;
            if (result.Changed)
            {
                Log.MergeCommitted(logger, stack, result.KeysSet, result.KeysDeleted, result.TotalAfter, elapsed);
            }
            else
            {
                Log.MergeUnchanged(logger, stack, result.TotalAfter, elapsed);
            }
        });
    }

    public void Failed(Exception failure)
    {
        var outcome = failure switch
        {
            OperationCanceledException => "cancelled",
            UnsuitableTableException { IsCommitted: true } => "committed_anomaly",
            StackEnvMergeException ours => ours.ErrorCode,
            _ => "error",
        };
        var elapsed = End(outcome, error: failure is OperationCanceledException ? null : outcome);
        Shielded((_logger, _stack, failure, outcome, elapsed), static merge =>
        {
            var (logger, stack, failure, outcome, elapsed) = merge;
            switch (failure)
            {
                case OperationCanceledException:
                    Log.MergeCancelled(logger, stack, elapsed);
                    break;
                case LockTimeoutException timeout:
                    Log.LockTimedOut(logger, stack, timeout.LockTimeout.TotalMilliseconds);
                    break;
                case MergeOutcomeUnknownException unknown:
                    Log.OutcomeUnknown(logger, stack, unknown.Problem, elapsed);
                    break;
                case StackEnvStoreException store:
                    Log.StoreFailed(logger, stack, store.SqlState, store.Problem, elapsed);
                    break;
                case UnsuitableTableException { IsCommitted: true } anomaly:
                    Log.CommittedAnomaly(logger, stack, anomaly.Problem, elapsed);
                    break;
                case UnsuitableTableException unsuitable:
                    Log.TableUnsuitable(logger, stack, unsuitable.Problem, elapsed);
                    break;
                case StoredEnvInvalidException:
                    Log.StoredEnvInvalid(logger, stack, outcome, elapsed);
                    break;
                default:
                    Log.MergeRefused(logger, stack, outcome, elapsed);
                    break;
            }
        });
    }

    private static Activity? StartActivity(StackRef stack)
    {
        Activity? activity = null;
        try
        {
            activity = Telemetry.Source.CreateActivity(Telemetry.SpanName, ActivityKind.Internal);
            if (activity is { IsAllDataRequested: true })
            {
                activity.SetTag(Telemetry.StackKeyTag, Text(stack.Key));
                if (stack.Owner is { } owner)
                {
                    activity.SetTag(Telemetry.StackOwnerTag, Text(owner));
                }
            }

            activity?.Start();
        }
#pragma warning disable CA1031 // As below.
        catch (Exception)
#pragma warning restore CA1031
        {
        }

        return activity;
    }

    private static string? Text(object keyOrOwner) => Convert.ToString(keyOrOwner, CultureInfo.InvariantCulture);

    private static void Shielded<T>(T what, Action<T> observe)
    {
        try
        {
            observe(what);
        }
#pragma warning disable CA1031 // Whatever an observer throws, it is not part of the merge.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private double End(string outcome, string? error)
    {
        var elapsed = Stopwatch.GetElapsedTime(_startedAt);
        Shielded((elapsed, outcome, error), static end =>
        {
            var tags = new TagList { { Telemetry.OutcomeTag, end.outcome } };
            if (end.error is { } error)
            {
                tags.Add(Telemetry.ErrorTypeTag, error);
            }

            Telemetry.Duration.Record(end.elapsed.TotalSeconds, tags);
        });
        if (_activity is { } activity)
        {
            activity.SetTag(Telemetry.OutcomeTag, outcome);
            if (error is not null)
            {
                activity.SetTag(Telemetry.ErrorTypeTag, error);
                activity.SetStatus(ActivityStatusCode.Error, error);
            }
        }

        return elapsed.TotalMilliseconds;
    }
}
