using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace StackEnv.Merge.Testing;

/// <summary>One connection through a <see cref="FaultProxy"/>. Whole messages are passed on, or as much of one as the fault lets through.</summary>
internal sealed class WireSession(FaultProxy proxy, Socket client, EndPoint serverEndPoint)
{
    private const int TypeAndLength = 5;
    private const int LengthAndCode = 8;
    private const int CancelRequest = 80877102;
    private const int SslRequest = 80877103;
    private const int GssEncryptionRequest = 80877104;

    private readonly Socket _server = ProxiedServer.NewSocketTo(serverEndPoint);

    private readonly WireDirection _fromClient = new();
    private readonly WireDirection _fromServer = new();
    private volatile bool _endsWhenReleased;

    /// <summary>The id of the server process, which the server tells when it lets the client in.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Is done when both sides are closed.</summary>
    public Task Running { get; private set; } = Task.CompletedTask;

    public void Start() => Running = RunAsync();

    public void Release(bool deliver)
    {
        if (!deliver || _endsWhenReleased)
        {
            client.Dispose();
            _server.Dispose();
        }

        _fromClient.Open();
        _fromServer.Open();
    }

    private async Task RunAsync()
    {
        using (client)
        using (_server)
        {
            try
            {
                client.NoDelay = true;
                await _server.ConnectAsync(serverEndPoint);
                if (await ReadStartupAsync() is { } startup)
                {
                    await Task.WhenAll(PumpAsync(startup, fromServer: false), PumpAsync([], fromServer: true));
                }
            }
            catch (Exception gone) when (IsGone(gone))
            {
                // Neither side needs more than to see its connection closed.
            }
        }
    }

    // What comes before the first message has no type: requests to encrypt, which are declined, and requests to cancel, which are passed on as they are.
    private async Task<byte[]?> ReadStartupAsync()
    {
        while (true)
        {
            var head = new byte[LengthAndCode];
            if (!await ReadExactlyAsync(head))
            {
                return null;
            }

            switch (BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(sizeof(int))))
            {
                case SslRequest or GssEncryptionRequest:
                    await client.SendAsync("N"u8.ToArray());
                    break;

                case CancelRequest:
                    await PassCancelRequestAsync(head);
                    return null;

                default:
                    return head;
            }
        }
    }

    private async Task PassCancelRequestAsync(byte[] head)
    {
        var request = new byte[BinaryPrimitives.ReadInt32BigEndian(head)];
        head.CopyTo(request.AsSpan());
        if (!await ReadExactlyAsync(request.AsMemory(head.Length)))
        {
            return;
        }

        if (proxy.CancelRequests == CancelRequests.Hang)
        {
            // Until the client closes.
            await ReadExactlyAsync(request);
        }
        else if (proxy.CancelRequests == CancelRequests.Pass)
        {
            await _server.SendAsync(request);

            // The server closes when it has sent the signal, and the client waits for that.
            while (await _server.ReceiveAsync(request) > 0)
            {
                // It has nothing to say.
            }
        }
    }

    private async Task<bool> ReadExactlyAsync(Memory<byte> into)
    {
        while (!into.IsEmpty)
        {
            var received = await client.ReceiveAsync(into);
            if (received == 0)
            {
                return false;
            }

            into = into[received..];
        }

        return true;
    }

    private async Task PumpAsync(byte[] first, bool fromServer)
    {
        var direction = fromServer ? _fromServer : _fromClient;
        var source = fromServer ? _server : client;
        var buffer = new byte[16 * 1024];
        first.CopyTo(buffer, 0);
        var filled = first.Length;
        var isStartup = !fromServer;
        while (true)
        {
            var passed = 0;
            var end = 0;
            while (LengthOfMessage(buffer.AsSpan(end, filled - end), isStartup) is { } length && end + length <= filled)
            {
                Note(buffer.AsSpan(end, length), fromServer);
                if (proxy.Count(this, fromServer, length) is { } strike)
                {
                    await PassAsync(direction, fromServer, buffer.AsMemory(passed, end + strike.Offset - passed));
                    passed = end + strike.Offset;
                    Strike(strike.Action, fromServer);
                }

                isStartup = false;
                end += length;
            }

            await PassAsync(direction, fromServer, buffer.AsMemory(passed, end - passed));
            buffer.AsSpan(end, filled - end).CopyTo(buffer);
            filled -= end;
            if (filled == buffer.Length)
            {
                Array.Resize(ref buffer, 2 * buffer.Length);
            }

            var received = await ReceiveAsync(source, buffer.AsMemory(filled));
            if (received == 0)
            {
                break;
            }

            filled += received;
        }

        await PassAsync(direction, fromServer, buffer.AsMemory(0, filled));
        if (!direction.IsSilent)
        {
            Shutdown(fromServer ? client : _server);
        }
    }

    private static int? LengthOfMessage(ReadOnlySpan<byte> data, bool isStartup) => isStartup
        ? data.Length < sizeof(int) ? null : BinaryPrimitives.ReadInt32BigEndian(data)
        : data.Length < TypeAndLength ? null : 1 + BinaryPrimitives.ReadInt32BigEndian(data[1..]);

    private void Note(ReadOnlySpan<byte> message, bool fromServer)
    {
        if (fromServer && message[0] == 'K')
        {
            ProcessId = BinaryPrimitives.ReadInt32BigEndian(message[TypeAndLength..]);
        }
    }

    private void Strike(WireAction action, bool fromServer)
    {
        var direction = fromServer ? _fromServer : _fromClient;
        switch (action)
        {
            case WireAction.Pass:
                break;

            case WireAction.Hold:
                direction.Close();
                break;

            case WireAction.Blackhole:
                _fromClient.Close();
                _fromServer.Close();
                break;

            case WireAction.Silence:
                direction.IsLost = direction.IsSilent = _endsWhenReleased = true;
                break;

            case WireAction.HalfClose:
                direction.IsLost = _endsWhenReleased = true;
                Shutdown(fromServer ? client : _server);
                break;

            case WireAction.Close:
                _fromClient.IsLost = _fromServer.IsLost = _endsWhenReleased = true;
                Shutdown(client);
                Shutdown(_server);
                break;

            case WireAction.Reset:
                client.Close(timeout: 0);
                _server.Close(timeout: 0);
                break;
        }

        proxy.NoteStruck(this);
    }

    private async Task PassAsync(WireDirection direction, bool fromServer, ReadOnlyMemory<byte> data)
    {
        await direction.Passable;
        try
        {
            while (!data.IsEmpty && !direction.IsLost)
            {
                data = data[await (fromServer ? client : _server).SendAsync(data)..];
            }
        }
        catch (SocketException)
        {
            // Who does not listen any more may still have been saying something.
            direction.IsLost = true;
        }
    }

    private static async Task<int> ReceiveAsync(Socket source, Memory<byte> into)
    {
        try
        {
            return await source.ReceiveAsync(into);
        }
        catch (SocketException)
        {
            return 0;
        }
    }

    private static void Shutdown(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception gone) when (IsGone(gone))
        {
            // The peer was quicker.
        }
    }

    private static bool IsGone(Exception exception) => exception is SocketException or ObjectDisposedException or OperationCanceledException;
}
