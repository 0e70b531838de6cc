using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>
/// Stands on a loopback port between clients and the server, reads the
/// <see href="https://www.postgresql.org/docs/current/protocol-message-formats.html">messages</see> of both, and does to a connection what
/// it was armed with at one message. Meant for one merge at a time.
/// </summary>
public sealed class FaultProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly EndPoint _server;
    private readonly Lock _gate = new();
    private readonly List<WireSession> _sessions = [];
    private readonly Task _accepting;
    private WireFault? _fault;
    private TaskCompletionSource<int> _struck = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WireSession? _struckSession;
    private int _fromClient;
    private int _fromServer;

    private FaultProxy(EndPoint server)
    {
        _server = server;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>What becomes of cancel requests.</summary>
    public CancelRequests CancelRequests { get; set; }

    /// <summary>Whether the armed fault has struck.</summary>
    public bool HasStruck => _struck.Task.IsCompleted;

    /// <summary>Is done when the armed fault strikes, with the id of the server process behind the connection, or 0 where that was not known yet.</summary>
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
    public static (FaultProxy Proxy, NpgsqlDataSource DataSource) InFrontOf(string connectionString, Action<NpgsqlConnectionStringBuilder>? configure = null)
    {
        var proxy = new FaultProxy(ProxiedServer.EndPointOf(connectionString));
        return (proxy, ProxiedServer.DataSourceThrough(proxy._listener, connectionString, configure));
    }

    /// <summary>Counts from here, and strikes when the fault's message comes. Nothing is left of what was armed before.</summary>
    public void Arm(WireFault? fault)
    {
        lock (_gate)
        {
            _fault = fault;
            _fromClient = _fromServer = 0;
            _struckSession = null;
            _struck = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Ends what still lasts of the fault that struck.</summary>
    /// <param name="deliver">Whether what was held goes on its way, or is lost together with the connection.</param>
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

    /// <summary>Leaves out of <see cref="Processes"/> what is closed by now.</summary>
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

    /// <summary>Counts one message and says where in it the armed fault strikes, if it does.</summary>
    internal (WireAction Action, int Offset)? Count(WireSession session, bool fromServer, int length)
    {
        lock (_gate)
        {
            var number = fromServer ? _fromServer++ : _fromClient++;
            if (_fault is not { } fault || fault.FromServer != fromServer || fault.Message != number)
            {
                return null;
            }

            _fault = null;
            _struckSession = session;
            return (fault.Action, fault.OffsetIn(length));
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
                var session = new WireSession(this, client, _server);
                session.Start();
                lock (_gate)
                {
                    _sessions.Add(session);
                }
            }
        }
        catch (Exception stopped) when (stopped is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }
}
