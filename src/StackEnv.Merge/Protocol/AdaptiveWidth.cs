using System.Diagnostics;
using System.Runtime.InteropServices;

namespace StackEnv.Merge.Protocol;

/// <summary>How many merges into one row may run at a time: as many as keep the row busy, and few more.</summary>
/// <remarks>
/// An adaptive concurrency limit after TCP Vegas: a merge that takes longer than the fastest one has waited for others, and the difference
/// shows how many merges only wait for the row. See Brakmo and Peterson, "TCP Vegas: End to End Congestion Avoidance on a Global Internet"
/// (1995), and <see href="https://github.com/Netflix/concurrency-limits"/>.
/// </remarks>
/// <param name="most">The largest width.</param>
[StructLayout(LayoutKind.Auto)]
internal struct AdaptiveWidth(int most)
{
    /// <summary>The initial width.</summary>
    public const int Initial = 8;

    private const int Least = 4;

    // With fewer waiting merges, the row is idle between two of them; twice as many only occupy connections. In a large width, part of the
    // difference is time that the network and the processors took.
    private const int FewWaiting = 3;
    private const double FewWaitingShare = 0.25;

    // The fastest time is forgotten slowly, because the network may have become slower: it doubles in 7,000 merges.
    private const double Forget = 1.0001;

    private double _width = Math.Min(Initial, most);
    private double _fastest = double.PositiveInfinity;
    private bool _hasFilled;

    public readonly int Value => (int)_width;

    /// <summary>Records a merge that succeeded.</summary>
    /// <param name="time">How long it took, in ticks of <see cref="Stopwatch"/>.</param>
    /// <param name="othersWait">Whether a larger width would let another merge run.</param>
    public void Succeeded(long time, bool othersWait)
    {
        _fastest = Math.Min(time, _fastest * Forget);
        var waiting = _width * (1 - (_fastest / time));
        var few = Math.Max(FewWaiting, _width * FewWaitingShare);
        if (waiting > 2 * few && _width > Initial)
        {
            Narrow(Initial);
        }
        else if (waiting >= few)
        {
            _hasFilled = true;
        }
        else if (othersWait)
        {
            // Until the row is busy for the first time, the width doubles with each round trip.
            _width = Math.Min(_width + (_hasFilled ? 1 / _width : 1), most);
        }
    }

    /// <summary>Records a merge that failed. If it took long, the row may be stuck.</summary>
    /// <param name="time">How long it took, in ticks of <see cref="Stopwatch"/>.</param>
    public void Failed(long time)
    {
        if (time > _fastest || double.IsPositiveInfinity(_fastest))
        {
            Narrow(Least);
        }
    }

    private void Narrow(int least)
    {
        _hasFilled = true;
        _width = Math.Max(_width - (1 / _width), Math.Min(least, most));
    }
}
