using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Benchmarks.Network;

/// <summary>
/// Stands on a loopback port between clients and the server, and hands on each chunk of bytes a given time after it came, in each
/// direction. Delays overlap, so that it costs time and no throughput. Counts round trips as well.
/// </summary>
/// <remarks>It has threads of its own that block, because on the pool's it would be in the way of the contestants.</remarks>
internal sealed class DelayProxy : IDisposable
{
    private const int SmallStack = 256 * 1024;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly EndPoint _server;
    private readonly long _delay;
    private readonly DelayLine _line = new();
    private readonly List<Session> _sessions = [];
    private readonly Thread _accepting;
    private long _roundTrips;

    private DelayProxy(EndPoint server, TimeSpan delay)
    {
        _server = server;
        _delay = (long)(delay.TotalSeconds * Stopwatch.Frequency);
        _listener.Start();
        _accepting = Start(Accept, "delay proxy");
    }

    /// <summary>How often a client had to send something after it had heard from the server.</summary>
    public long RoundTrips => Interlocked.Read(ref _roundTrips);

    /// <summary>A proxy in front of the server that this connection string opens.</summary>
    public static DelayProxy InFrontOf(string connectionString, TimeSpan delay)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        EndPoint server = settings.Host!.StartsWith('/')
            ? new UnixDomainSocketEndPoint($"{settings.Host}/.s.PGSQL.{settings.Port}")
            : new DnsEndPoint(settings.Host, settings.Port);
        return new(server, delay);
    }

    /// <summary>The connection string, for who goes through the proxy.</summary>
    public string Reroute(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString)
    {
        Host = IPAddress.Loopback.ToString(),
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port,
    }.ConnectionString;

    public void Dispose()
    {
        _listener.Dispose();
        _accepting.Join();
        foreach (var session in _sessions)
        {
            session.Dispose();
        }

        _line.Dispose();
    }

    private static Thread Start(Action run, string name)
    {
        var thread = new Thread(() => run(), SmallStack) { IsBackground = true, Name = name };
        thread.Start();
        return thread;
    }

    private void Accept()
    {
        try
        {
            while (true)
            {
                _sessions.Add(new(this, _listener.AcceptSocket()));
            }
        }
        catch (SocketException)
        {
            // The listener is closed.
        }
    }

    /// <summary>One client's connection, and the one to the server that belongs to it.</summary>
    private sealed class Session : IDisposable
    {
        private readonly DelayProxy _proxy;
        private readonly Socket _client;
        private readonly Socket _server;
        private readonly Thread[] _pumps;
        private volatile bool _serverSpokeLast = true;

        public Session(DelayProxy proxy, Socket client)
        {
            _proxy = proxy;
            _client = client;
            _client.NoDelay = true;
            _server = proxy._server is UnixDomainSocketEndPoint
                ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
                : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            _server.Connect(proxy._server);
            _pumps =
            [
                Start(() => Pump(_client, _server), "delay proxy, to server"),
                Start(() => Pump(_server, _client), "delay proxy, from server"),
            ];
        }

        public void Dispose()
        {
            Close(_client);
            Close(_server);
            foreach (var pump in _pumps)
            {
                pump.Join();
            }

            _client.Dispose();
            _server.Dispose();
        }

        // Wakes its reader.
        private static void Close(Socket socket)
        {
            try
            {
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (SocketException)
            {
                // It is no longer connected.
            }
        }

        private void Pump(Socket from, Socket to)
        {
            var fromServer = from == _server;
            for (var received = -1; received != 0;)
            {
                var chunk = _proxy._line.Rent(to);
                received = Receive(from, chunk.Buffer);
                chunk.Due = Stopwatch.GetTimestamp() + _proxy._delay;
                if (!fromServer && _serverSpokeLast)
                {
                    Interlocked.Increment(ref _proxy._roundTrips);
                }

                _serverSpokeLast = fromServer;

                // The end of the stream travels along the same line, after the last bytes.
                chunk.Length = received;
                _proxy._line.Enqueue(chunk);
            }
        }

        private static int Receive(Socket from, byte[] buffer)
        {
            try
            {
                return from.Receive(buffer);
            }
            catch (SocketException)
            {
                return 0;
            }
        }
    }
}
