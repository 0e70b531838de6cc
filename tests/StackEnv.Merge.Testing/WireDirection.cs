namespace StackEnv.Merge.Testing;

/// <summary>One of the two directions of a <see cref="WireSession"/>.</summary>
internal sealed class WireDirection
{
    private volatile TaskCompletionSource? _closed;
    private volatile bool _isLost;
    private volatile bool _isSilent;

    /// <summary>Whether what still comes is thrown away.</summary>
    public bool IsLost
    {
        get => _isLost;
        set => _isLost = value;
    }

    /// <summary>Whether the end is not passed on either.</summary>
    public bool IsSilent
    {
        get => _isSilent;
        set => _isSilent = value;
    }

    /// <summary>Is done while the direction is open.</summary>
    public Task Passable => _closed?.Task ?? Task.CompletedTask;

    public void Close() => _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Open() => _closed?.TrySetResult();
}
