using System.Diagnostics;

namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>
/// Which faults there were, and whether they explain a merge that failed. A fault on one connection explains one failed merge of its host,
/// that ends within <see cref="Reach"/> of it. A fault of the whole server explains every merge that fails from the stop until
/// <see cref="Aftermath"/> after the server answers again: so long a pool may hand out connections that died with it.
/// </summary>
internal sealed class SoakLedger
{
    private static readonly TimeSpan Reach = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Aftermath = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly long _startedAt = Stopwatch.GetTimestamp();
    private readonly List<(SoakHost Host, TimeSpan At)> _hits = [];
    private readonly List<string> _unexplained = [];
    private TimeSpan _outageFrom = TimeSpan.MaxValue;
    private TimeSpan _outageTo = TimeSpan.MinValue;

    public TimeSpan Now => Stopwatch.GetElapsedTime(_startedAt);

    /// <summary>Failed merges by error code.</summary>
    public Tally Failures { get; } = new();

    /// <summary>Failed merges that no fault explains.</summary>
    public IReadOnlyList<string> Unexplained
    {
        get
        {
            lock (_gate)
            {
                return [.. _unexplained];
            }
        }
    }

    public void NoteHit(SoakHost host)
    {
        lock (_gate)
        {
            _hits.RemoveAll(hit => hit.At < Now - Reach);
            _hits.Add((host, Now));
        }
    }

    public void NoteOutage()
    {
        lock (_gate)
        {
            (_outageFrom, _outageTo) = (Now, TimeSpan.MaxValue - Aftermath);
        }
    }

    public void NoteRecovery()
    {
        lock (_gate)
        {
            _outageTo = Now;
        }
    }

    public void NoteFailure(SoakHost host, TimeSpan begunAt, Exception failure)
    {
        Failures.Count(Told.Of(failure).Code);
        lock (_gate)
        {
            if (_outageFrom <= Now && Now <= _outageTo + Aftermath)
            {
                return;
            }

            var hit = _hits.FindIndex(hit => hit.Host == host && hit.At >= Now - Reach);
            if (hit >= 0)
            {
                _hits.RemoveAt(hit);
            }
            else
            {
                _unexplained.Add($"{host.Name}, begun at {begunAt}, failed at {Now}: {failure.Message}");
            }
        }
    }
}
