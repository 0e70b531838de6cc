namespace StackEnv.Merge.Protocol;

/// <summary>The merges into one row: those that run, and those that wait for their turn, first come first served.</summary>
/// <remarks>Not thread-safe: <see cref="MergeLines"/> holds its lock for each call.</remarks>
internal sealed class MergeLine(int maxWidth)
{
    private readonly LinkedList<TaskCompletionSource> _waiting = new();
    private AdaptiveWidth _width = new(maxWidth);
    private int _running;

    public (object Key, object? Owner) Row { get; private set; }

    public int Width => _width.Value;

    public bool IsAtRest => _running == 0 && _waiting.Count == 0;

    /// <summary>Resets the line, for another row.</summary>
    public void Serve((object Key, object? Owner) row)
    {
        Row = row;
        _width = new(maxWidth);
    }

    /// <summary>Returns <see langword="null"/> if the merge may run at once, else its place in line.</summary>
    public LinkedListNode<TaskCompletionSource>? Enter()
    {
        if (_running < Width)
        {
            _running++;
            return null;
        }

        // The next merge must not run inside the call that ends this one.
        return _waiting.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    /// <summary>A merge no longer waits. Its turn may have come at the same moment: then the next one gets it.</summary>
    public void GiveUp(LinkedListNode<TaskCompletionSource> place)
    {
        if (place.List is null)
        {
            Leave(time: null, succeeded: false);
        }
        else
        {
            _waiting.Remove(place);
        }
    }

    /// <summary>A merge has ended.</summary>
    /// <param name="time">How long it took; <see langword="null"/> if it did not reach the row.</param>
    /// <param name="succeeded">Whether it succeeded.</param>
    public void Leave(long? time, bool succeeded)
    {
        _running--;
        if (time is { } ticks)
        {
            if (succeeded)
            {
                _width.Succeeded(ticks, othersWait: _waiting.Count > 0);
            }
            else
            {
                _width.Failed(ticks);
            }
        }

        Admit();
    }

    private void Admit()
    {
        while (_running < Width && _waiting.First is { } next)
        {
            _waiting.RemoveFirst();
            _running++;
            next.Value.SetResult();
        }
    }
}
