using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace StackEnv.Merge.Diagnostics;

/// <summary>One merge as seen from outside: a span, a duration by outcome, and one log event.</summary>
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
        _activity = Telemetry.Source.StartActivity(Telemetry.SpanName, ActivityKind.Client);
        _startedAt = Stopwatch.GetTimestamp();
        if (_activity is { IsAllDataRequested: true })
        {
            _activity.SetTag(Telemetry.StackTag, stack.ToString());
        }
    }

    public static MergeObservation Start(StackRef stack, ILogger logger) => new(stack, logger);

    public void Dispose() => _activity?.Dispose();

    public void Succeeded(MergeResult result)
    {
        var elapsed = End(result.Changed ? "committed" : "unchanged");
        if (result.Changed)
        {
            Telemetry.KeysSet.Add(result.KeysSet);
            Telemetry.KeysDeleted.Add(result.KeysDeleted);
            Log.MergeCommitted(_logger, _stack, result.KeysSet, result.KeysDeleted, result.TotalAfter, elapsed.TotalMilliseconds);
        }
        else
        {
            Log.MergeUnchanged(_logger, _stack, result.TotalAfter, elapsed.TotalMilliseconds);
        }

        _activity?.SetTag(Telemetry.KeysSetTag, result.KeysSet);
        _activity?.SetTag(Telemetry.KeysDeletedTag, result.KeysDeleted);
    }

    public void Failed(Exception failure)
    {
        if (failure is OperationCanceledException)
        {
            Log.MergeCancelled(_logger, _stack, End("cancelled").TotalMilliseconds);
            return;
        }

        var errorCode = (failure as StackEnvMergeException)?.ErrorCode ?? "error";
        var elapsed = End(errorCode).TotalMilliseconds;
        _activity?.SetTag(Telemetry.ErrorTypeTag, errorCode);
        _activity?.SetStatus(ActivityStatusCode.Error, errorCode);
        switch (failure)
        {
            case LockTimeoutException timeout:
                Log.LockTimedOut(_logger, _stack, timeout.LockTimeout.TotalMilliseconds);
                break;
            case MergeOutcomeUnknownException:
                Log.OutcomeUnknown(_logger, _stack, elapsed);
                break;
            case StackEnvStoreException store:
                Log.StoreFailed(_logger, _stack, store.SqlState, elapsed);
                break;
            default:
                Log.MergeRefused(_logger, _stack, errorCode, elapsed);
                break;
        }
    }

    private TimeSpan End(string outcome)
    {
        var elapsed = Stopwatch.GetElapsedTime(_startedAt);
        Telemetry.Duration.Record(elapsed.TotalSeconds, new KeyValuePair<string, object?>(Telemetry.OutcomeTag, outcome));
        _activity?.SetTag(Telemetry.OutcomeTag, outcome);
        return elapsed;
    }
}
