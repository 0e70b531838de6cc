using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace StackEnv.Merge.Testing;

/// <summary>
/// One connection through a <see cref="WireProxy"/>. Whole messages are passed on, or as much of one as the fault lets through.
/// </summary>
internal sealed class WireSession
{
    private const int TypeAndLength = 5;
    private const int LengthAndCode = 8;
    private const int CancelRequest = 80877102;
    private const int SslRequest = 80877103;
    private const int GssEncryptionRequest = 80877104;

    private readonly WireProxy _proxy;
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly EndPoint _serverEndPoint;
    private readonly WireDirection _fromClient;
    private readonly WireDirection _fromServer;
    private volatile bool _endsWhenReleased;

    public WireSession(WireProxy proxy, Socket client, EndPoint server)
    {
        _proxy = proxy;
        _client = client;
        _serverEndPoint = server;
        _server = ServerSocket.NewFor(server);
        _fromClient = new(client, _server);
        _fromServer = new(_server, client);
    }

    /// <summary>The id of the server process, which the server sends when it lets the client in.</summary>
    public int ProcessId { get; private set; }

    /// <summary>Completes when both sides are closed.</summary>
    public Task Running { get; private set; } = Task.CompletedTask;

    public void Start() => Running = RunAsync();

    public void Release(bool deliver)
    {
        if (!deliver || _endsWhenReleased)
        {
            _client.Dispose();
            _server.Dispose();
        }

        _fromClient.Open();
        _fromServer.Open();
    }

    private async Task RunAsync()
    {
        using (_client)
        using (_server)
        {
            try
            {
                _client.NoDelay = true;
                if (await ReadStartupAsync() is { } startup)
                {
                    await _server.ConnectAsync(_serverEndPoint);
                    await Task.WhenAll(PumpAsync(startup, _fromClient), PumpAsync([], _fromServer));
                }
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                // Both sides see their connection closed.
            }
        }
    }

    // What comes before the first message has no type: requests to encrypt, which are declined, and requests to cancel, which are passed on
    // as they are.
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
                    await _client.SendAsync("N"u8.ToArray());
                    break;

                case CancelRequest:
                    await PassCancelRequestAsync(head);
                    return null;

                default:
                    if (_proxy.LoginRefusal is not { } refusal)
                    {
                        return head;
                    }

                    await ReadExactlyAsync(new byte[BinaryPrimitives.ReadInt32BigEndian(head) - head.Length]);
                    await _fromServer.SayAsync(refusal.Bytes);
                    return null;
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

        if (_proxy.CancelRequests == CancelRequests.Hang)
        {
            // Until the client closes.
            await ReadExactlyAsync(request);
        }
        else if (_proxy.CancelRequests == CancelRequests.Pass)
        {
            await _server.ConnectAsync(_serverEndPoint);
            await _server.SendAsync(request);

            // The server sends nothing, and closes when it has sent the signal; the client waits for that.
            while (await _fromServer.ReceiveAsync(request) > 0)
            {
            }
        }
    }

    private async Task<bool> ReadExactlyAsync(Memory<byte> into)
    {
        while (!into.IsEmpty)
        {
            var received = await _client.ReceiveAsync(into);
            if (received == 0)
            {
                return false;
            }

            into = into[received..];
        }

        return true;
    }

    private async Task PumpAsync(byte[] first, WireDirection direction)
    {
        var fromServer = direction == _fromServer;
        var buffer = new byte[16 * 1024];
        first.CopyTo(buffer, 0);
        var filled = first.Length;
        var isStartup = !fromServer;
        var dropsUntilReady = false;
        while (true)
        {
            var passed = 0;
            var end = 0;
            while (LengthOfMessage(buffer.AsSpan(end, filled - end), isStartup) is { } length && end + length <= filled)
            {
                var message = buffer.AsMemory(end, length);
                NoteProcess(message.Span, fromServer);
                var drops = dropsUntilReady;
                if (_proxy.Count(this, fromServer, message.Span) is { } fault)
                {
                    var at = end + fault.OffsetIn(length);
                    await direction.PassAsync(buffer.AsMemory(passed, at - passed));
                    passed = at;
                    await StrikeAsync(fault, direction);
                    dropsUntilReady = fault.Action == WireAction.DropUntilReady;
                    drops = dropsUntilReady || fault.Action == WireAction.Drop;
                }

                if (dropsUntilReady && message.Span[0] == 'Z')
                {
                    drops = dropsUntilReady = false;
                }

                isStartup = false;
                end += length;
                passed = drops ? end : passed;
            }

            await direction.PassAsync(buffer.AsMemory(passed, end - passed));
            buffer.AsSpan(end, filled - end).CopyTo(buffer);
            filled -= end;
            if (filled == buffer.Length)
            {
                Array.Resize(ref buffer, 2 * buffer.Length);
            }

            var received = await direction.ReceiveAsync(buffer.AsMemory(filled));
            if (received == 0)
            {
                break;
            }

            filled += received;
        }

        await direction.PassAsync(buffer.AsMemory(0, filled));
        if (!direction.IsSilent)
        {
            direction.End();
        }
    }

    private static int? LengthOfMessage(ReadOnlySpan<byte> data, bool isStartup) => isStartup
        ? data.Length < sizeof(int) ? null : BinaryPrimitives.ReadInt32BigEndian(data)
        : data.Length < TypeAndLength ? null : 1 + BinaryPrimitives.ReadInt32BigEndian(data[1..]);

    private void NoteProcess(ReadOnlySpan<byte> message, bool fromServer)
    {
        if (fromServer && message[0] == 'K')
        {
            ProcessId = BinaryPrimitives.ReadInt32BigEndian(message[TypeAndLength..]);
        }
    }

    private async Task StrikeAsync(WireFault fault, WireDirection direction)
    {
        foreach (var message in fault.Says)
        {
            await _fromServer.SayAsync(message.Bytes);
        }

        switch (fault.Action)
        {
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
                direction.End();
                break;

            case WireAction.Close:
                _fromClient.IsLost = _fromServer.IsLost = _endsWhenReleased = true;
                _fromClient.End();
                _fromServer.End();
                break;

            case WireAction.Reset:
                _client.Close(timeout: 0);
                _server.Close(timeout: 0);
                break;
        }

        _proxy.NoteStruck(this);
    }
}
