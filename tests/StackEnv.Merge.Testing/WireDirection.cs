using System.Net.Sockets;

namespace StackEnv.Merge.Testing;

/// <summary>One of the two directions of a <see cref="WireSession"/>.</summary>
internal sealed class WireDirection(Socket from, Socket to)
{
    private readonly Lock _gate = new();
    private Task _sending = Task.CompletedTask;
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

    public void Close() => _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Open() => _closed?.TrySetResult();

    /// <summary>Returns 0 when there is no more to come.</summary>
    public async Task<int> ReceiveAsync(Memory<byte> into)
    {
        try
        {
            return await from.ReceiveAsync(into);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    /// <summary>Passes this on when the direction is open, unless it is lost by then.</summary>
    public async Task PassAsync(ReadOnlyMemory<byte> data)
    {
        await (_closed?.Task ?? Task.CompletedTask);
        if (!data.IsEmpty && !IsLost)
        {
            await SayAsync(data);
        }
    }

    /// <summary>
    /// Sends this, even if what is to be passed on is lost. What both directions send to the client goes one after the other.
    /// </summary>
    public Task SayAsync(ReadOnlyMemory<byte> data)
    {
        lock (_gate)
        {
            return _sending = SendAfterAsync(_sending, data);
        }
    }

    /// <summary>Lets the receiving side see an orderly end.</summary>
    public void End()
    {
        try
        {
            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // The peer closed it first.
        }
    }

    private async Task SendAfterAsync(Task before, ReadOnlyMemory<byte> data)
    {
        await before;
        try
        {
            while (!data.IsEmpty)
            {
                data = data[await to.SendAsync(data)..];
            }
        }
        catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
        {
            // A peer that has stopped listening may still be sending.
            IsLost = true;
        }
    }
}
