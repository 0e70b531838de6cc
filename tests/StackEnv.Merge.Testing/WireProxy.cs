using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>
/// Stands on a loopback port between clients and the server, reads the
/// <see href="https://www.postgresql.org/docs/current/protocol-message-formats.html">messages</see> of both, counts them and the round
/// trips, and injects a fault at one message: it holds, cuts or silences the connection, or answers as a pooler does. One fault is armed
/// at a time.
/// </summary>
public sealed class WireProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly List<WireSession> _sessions = [];
    private readonly Task _accepting;
    private EndPoint _server;
    private WireFault? _fault;
    private TaskCompletionSource<int> _struck = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WireSession? _struckSession;
    private int _candidates;
    private int _fromClient;
    private int _fromServer;
    private int _roundTrips;
    private bool _serverSpokeLast;

    private WireProxy(EndPoint server)
    {
        _server = server;
        Arm(fault: null);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>What happens to cancel requests.</summary>
    public CancelRequests CancelRequests { get; set; }

    /// <summary>What every new connection is told instead of reaching the server; <see langword="null"/> to let it through.</summary>
    public WireMessage? LoginRefusal { get; set; }

    /// <summary>Whether the message of the armed fault has come. True before the client can notice anything.</summary>
    public bool HasStruck
    {
        get
        {
            lock (_gate)
            {
                return _struckSession is not null;
            }
        }
    }

    /// <summary>
    /// Completes when the armed fault has struck, with the id of the server process behind the connection, or 0 if it is not known yet.
    /// </summary>
    public Task<int> Struck => _struck.Task;

    /// <summary>How many messages have come from each side since the last <see cref="Arm"/>.</summary>
    public (int FromClient, int FromServer) Messages
    {
        get
        {
            lock (_gate)
            {
                return (_fromClient, _fromServer);
            }
        }
    }

    /// <summary>How often the client has sent something after it had heard from the server, since the last <see cref="Arm"/>.</summary>
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

    /// <summary>The server processes of all connections that were open at some time since the last <see cref="ForgetProcesses"/>.</summary>
    public IReadOnlyList<int> Processes
    {
        get
        {
            lock (_gate)
            {
                return [.. _sessions.Select(static session => session.ProcessId).Where(static id => id != 0)];
            }
        }
    }

    /// <summary>The server process behind the connection that was opened last.</summary>
    public int NewestProcess => Processes is [.., var newest] ? newest : 0;

    /// <summary>A proxy in front of the server, and a data source that goes through it.</summary>
    public static (WireProxy Proxy, NpgsqlDataSource DataSource) InFrontOf(
        string connectionString, Action<NpgsqlConnectionStringBuilder>? configure = null)
    {
        var proxy = new WireProxy(ServerSocket.EndPointOf(connectionString));
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Host = IPAddress.Loopback.ToString(),
            Port = ((IPEndPoint)proxy._listener.LocalEndpoint).Port,

            // The proxy must be able to read the wire.
            SslMode = SslMode.Disable,
            GssEncryptionMode = GssEncryptionMode.Disable,
        };
        configure?.Invoke(settings);
        return (proxy, NpgsqlDataSource.Create(settings.ConnectionString));
    }

    /// <summary>From now on new connections go to another server, as after a failover behind one address.</summary>
    public void PointTo(string connectionString)
    {
        lock (_gate)
        {
            _server = ServerSocket.EndPointOf(connectionString);
        }
    }

    /// <summary>Counts from here, and strikes at the fault's message. Replaces what was armed before.</summary>
    public void Arm(WireFault? fault)
    {
        lock (_gate)
        {
            _fault = fault;
            _candidates = _fromClient = _fromServer = _roundTrips = 0;
            _serverSpokeLast = true;
            _struckSession = null;
            _struck = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>
    /// Says this, as a pooler would, in place of the server's answer from the next message on that contains the text, and closes the
    /// connection. The server has received everything and carries it out.
    /// </summary>
    public void SayInsteadOf(string text, params WireMessage[] says) =>
        Arm(WireFault.BeforeServer(text, WireAction.HalfClose) with { Says = says });

    /// <summary>The same, but the connection stays open and is ready for the next query.</summary>
    public void SayInsteadOfAndStayOpen(string text, params WireMessage[] says) =>
        Arm(WireFault.BeforeServer(text, WireAction.DropUntilReady) with { Says = says });

    /// <summary>Says this ahead of the server's next message that contains the text. Everything the server sends still passes.</summary>
    public void SayBefore(string text, params WireMessage[] says) =>
        Arm(WireFault.BeforeServer(text, WireAction.Pass) with { Says = says });

    /// <summary>Ends what is left of the fault that struck.</summary>
    /// <param name="deliver">Whether what was held is delivered, or is lost together with the connection.</param>
    public void Release(bool deliver)
    {
        WireSession? session;
        lock (_gate)
        {
            _fault = null;
            session = _struckSession;
        }

        session?.Release(deliver);
    }

    /// <summary>Removes closed connections from <see cref="Processes"/>.</summary>
    public void ForgetProcesses()
    {
        lock (_gate)
        {
            _sessions.RemoveAll(static session => session.Running.IsCompletedSuccessfully);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        WireSession[] sessions;
        lock (_gate)
        {
            sessions = [.. _sessions];
        }

        foreach (var session in sessions)
        {
            session.Release(deliver: false);
            await session.Running;
        }

        _stop.Dispose();
        _listener.Dispose();
    }

    /// <summary>
    /// Counts one message, before the other side can answer it, and returns the fault that strikes at it, if there is one.
    /// </summary>
    internal WireFault? Count(WireSession session, bool fromServer, ReadOnlySpan<byte> message)
    {
        lock (_gate)
        {
            _ = fromServer ? _fromServer++ : _fromClient++;
            _roundTrips += !fromServer && _serverSpokeLast ? 1 : 0;
            _serverSpokeLast = fromServer;
            if (_fault is not { } fault || fault.FromServer != fromServer || !fault.Matches(message) || _candidates++ != fault.Message)
            {
                return null;
            }

            _fault = null;
            _struckSession = session;
            return fault;
        }
    }

    internal void NoteStruck(WireSession session) => _struck.TrySetResult(session.ProcessId);

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_stop.Token);
                lock (_gate)
                {
                    var session = new WireSession(this, client, _server);
                    session.Start();
                    _sessions.Add(session);
                }
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }
}
