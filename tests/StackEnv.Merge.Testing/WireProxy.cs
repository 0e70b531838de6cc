using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>Stands on a loopback port between a client and the server, counts round trips, and cuts where it is told to.</summary>
public sealed class WireProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly EndPoint _server;
    private readonly Lock _gate = new();
    private readonly Task _accepting;
    private bool _serverSpokeLast = true;
    private int _roundTrips;
    private Cut? _cut;
    private Pause? _pause;
    private volatile bool _serverIsMute;

    private WireProxy(EndPoint server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>How often the client had to send something after it had heard from the server.</summary>
    public int RoundTrips
    {
        get
        {
            lock (_gate)
            {
                return _roundTrips;
            }
        }
    }

    /// <summary>A proxy in front of the database, and a data source that goes through it.</summary>
    public static (WireProxy Proxy, NpgsqlDataSource DataSource) InFrontOf(TestDatabase database, Action<NpgsqlConnectionStringBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(database);
        var proxy = new WireProxy(ProxiedServer.EndPointOf(database.ConnectionString));
        return (proxy, ProxiedServer.DataSourceThrough(proxy._listener, database.ConnectionString, configure));
    }

    /// <summary>Counts from here, and forgets what was planned and has not come to pass.</summary>
    public void Reset()
    {
        lock (_gate)
        {
            (_cut, _pause) = (null, null);
            _serverSpokeLast = true;
            _roundTrips = 0;
        }
    }

    /// <summary>The next time that the client sends this text, cut the connection instead of passing it on.</summary>
    public void CutBeforeClientSends(ReadOnlySpan<byte> text) => Plan(new(FromServer: false, text.ToArray(), PassOn: false));

    /// <summary>The next time that the server sends this text, cut instead of passing it on: the server has done its work, and the client never hears.</summary>
    public void CutBeforeServerSends(ReadOnlySpan<byte> text) => Plan(new(FromServer: true, text.ToArray(), PassOn: false));

    /// <summary>The next time that the server sends this text, pass it on up to its end and cut there.</summary>
    public void CutAfterServerSends(ReadOnlySpan<byte> text) => Plan(new(FromServer: true, text.ToArray(), PassOn: true));

    /// <summary>The next time that the client sends this text, pass on what comes before it, and the rest only when the returned source is completed.</summary>
    /// <returns>A task that is done when what comes before has been passed on, and the source that lets the rest go.</returns>
    public (Task Reached, TaskCompletionSource Release) PauseClientAt(ReadOnlySpan<byte> text)
    {
        var pause = new Pause(text.ToArray(), new(TaskCreationOptions.RunContinuationsAsynchronously), new(TaskCreationOptions.RunContinuationsAsynchronously));
        lock (_gate)
        {
            _pause = pause;
        }

        return (pause.Reached.Task, pause.Release);
    }

    /// <summary>From now on the server hears everything and is never heard.</summary>
    public void MuteServer() => _serverIsMute = true;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
        _listener.Dispose();
    }

    private void Plan(Cut cut)
    {
        lock (_gate)
        {
            _cut = cut;
        }
    }

    private async Task AcceptAsync()
    {
        var sessions = new List<Task>();
        try
        {
            while (true)
            {
                sessions.Add(ServeAsync(await _listener.AcceptSocketAsync(_stop.Token)));
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(sessions);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var server = ProxiedServer.NewSocketTo(_server);
        using (client)
        {
            client.NoDelay = true;
            using var cut = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
            await server.ConnectAsync(_server, _stop.Token);
            await Task.WhenAll(PumpAsync(client, server, fromServer: false, cut), PumpAsync(server, client, fromServer: true, cut));
        }
    }

    private async Task PumpAsync(Socket from, Socket to, bool fromServer, CancellationTokenSource cut)
    {
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer, cut.Token) is > 0 and var received)
            {
                var data = buffer.AsMemory(0, received);
                if (!fromServer)
                {
                    CountClientTurn();
                    data = await PauseWithinAsync(data, to, cut.Token);
                }
                else
                {
                    // Before the client hears of it, who may answer at once.
                    NoteServerTurn();
                }

                var (pass, cutHere) = Filter(data.Span, fromServer);
                if (pass > 0 && !(fromServer && _serverIsMute))
                {
                    await SendAllAsync(to, data[..pass], cut.Token);
                }

                if (cutHere)
                {
                    break;
                }
            }
        }
        catch (Exception gone) when (gone is SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }

        // One end is gone: so is the other.
        await cut.CancelAsync();
    }

    private async Task<Memory<byte>> PauseWithinAsync(Memory<byte> data, Socket server, CancellationToken cancellationToken)
    {
        Pause? pause;
        int at;
        lock (_gate)
        {
            pause = _pause;
            at = pause is null ? -1 : data.Span.IndexOf(pause.Text);
            if (at < 0)
            {
                return data;
            }

            _pause = null;
        }

        await SendAllAsync(server, data[..at], cancellationToken);
        pause!.Reached.SetResult();
        await pause.Release.Task.WaitAsync(cancellationToken);
        return data[at..];
    }

    private (int Pass, bool Cut) Filter(ReadOnlySpan<byte> data, bool fromServer)
    {
        lock (_gate)
        {
            if (_cut is not { } cut || cut.FromServer != fromServer || data.IndexOf(cut.Text) is not (>= 0 and var at))
            {
                return (data.Length, false);
            }

            _cut = null;
            return (cut.PassOn ? at + cut.Text.Length : 0, true);
        }
    }

    private static async Task SendAllAsync(Socket to, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (!data.IsEmpty)
        {
            data = data[await to.SendAsync(data, cancellationToken)..];
        }
    }

    private void CountClientTurn()
    {
        lock (_gate)
        {
            _roundTrips += _serverSpokeLast ? 1 : 0;
            _serverSpokeLast = false;
        }
    }

    private void NoteServerTurn()
    {
        lock (_gate)
        {
            _serverSpokeLast = true;
        }
    }

    private sealed record Pause(byte[] Text, TaskCompletionSource Reached, TaskCompletionSource Release);

    private sealed record Cut(bool FromServer, byte[] Text, bool PassOn);
}
