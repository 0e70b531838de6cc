using System.Diagnostics;
using System.Runtime.InteropServices;

namespace StackEnv.Merge.Protocol;

/// <summary>How many merges into one row may run at a time: as many as keep the row busy, and hardly more.</summary>
/// <remarks>
/// An adaptive concurrency limit after TCP Vegas: a merge that takes longer than the fastest one has waited for the others, and from how
/// much longer follows how many of them only wait for the row. See Brakmo and Peterson, "TCP Vegas: End to End Congestion Avoidance on a
/// Global Internet" (1995), and <see href="https://github.com/Netflix/concurrency-limits"/>.
/// </remarks>
/// <param name="most">The largest width.</param>
[StructLayout(LayoutKind.Auto)]
internal struct AdaptiveWidth(int most)
{
    /// <summary>The width to begin with.</summary>
    public const int Initial = 8;

    private const int Least = 4;

    // Fewer waiting merges than this leave the row idle between two of them; more only occupy connections.
    private const int FewWaiting = 4;
    private const int ManyWaiting = 6;

    // The fastest time is forgotten slowly, because the network may have become slower: it doubles in 7,000 merges.
    private const double Forget = 1.0001;

    private double _width = Math.Min(Initial, most);
    private double _fastest = double.PositiveInfinity;

    public readonly int Value => (int)_width;

    /// <summary>Takes note of a merge that has succeeded.</summary>
    /// <param name="time">How long it took, in ticks of <see cref="Stopwatch"/>.</param>
    /// <param name="othersWait">Whether a larger width would let another merge run.</param>
    public void Succeeded(long time, bool othersWait)
    {
        _fastest = Math.Min(time, _fastest * Forget);
        var waiting = _width * (1 - (_fastest / time));
        if (waiting < FewWaiting && othersWait)
        {
            _width = Math.Min(_width + (1 / _width), most);
        }
        else if (waiting > ManyWaiting)
        {
            Narrow();
        }
    }

    /// <summary>Takes note of a merge that has failed. If it took its time, the row may be stuck.</summary>
    /// <param name="time">How long it took, in ticks of <see cref="Stopwatch"/>.</param>
    public void Failed(long time)
    {
        if (time > _fastest || double.IsPositiveInfinity(_fastest))
        {
            Narrow();
        }
    }

    private void Narrow() => _width = Math.Max(_width - (1 / _width), Math.Min(Least, most));
}
