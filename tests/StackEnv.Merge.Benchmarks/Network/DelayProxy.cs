using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Benchmarks.Network;

/// <summary>
/// Stands on a loopback port between clients and the server, and hands on each chunk of bytes a given time after it came, in each direction.
/// Delays overlap, so that it costs time and no throughput. Counts round trips as well.
/// </summary>
internal sealed class DelayProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly EndPoint _server;
    private readonly long _delay;
    private readonly DelayLine _line = new();
    private readonly Task _accepting;
    private long _roundTrips;

    private DelayProxy(EndPoint server, TimeSpan delay)
    {
        _server = server;
        _delay = (long)(delay.TotalSeconds * Stopwatch.Frequency);
        _listener.Start();
        _accepting = AcceptAsync();
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

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _accepting;
        _line.Dispose();
        _stop.Dispose();
        _listener.Dispose();
    }

    private async Task AcceptAsync()
    {
        var sessions = new List<Task>();
        try
        {
            while (true)
                sessions.Add(ServeAsync(await _listener.AcceptSocketAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(sessions);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using (client)
        {
            using var server = _server is UnixDomainSocketEndPoint
                ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
                : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            client.NoDelay = true;
            try
            {
                await server.ConnectAsync(_server, _stop.Token);
                var session = new Session();
                await Task.WhenAll(PumpAsync(client, server, session, fromServer: false), PumpAsync(server, client, session, fromServer: true));
            }
            catch (Exception gone) when (gone is SocketException or OperationCanceledException)
            {
                // Either end is gone; the other learns it by the sockets being closed.
            }
        }
    }

    private async Task PumpAsync(Socket from, Socket to, Session session, bool fromServer)
    {
        while (true)
        {
            var chunk = _line.Rent(to);
            var received = await from.ReceiveAsync(chunk.Buffer, _stop.Token);
            chunk.Due = Stopwatch.GetTimestamp() + _delay;
            if (!fromServer && session.ServerSpokeLast)
                Interlocked.Increment(ref _roundTrips);
            session.ServerSpokeLast = fromServer;

            // The end of the stream travels along the same line, behind the last bytes.
            chunk.Length = received;
            _line.Enqueue(chunk);
            if (received == 0)
                return;
        }
    }

    private sealed class Session
    {
        public volatile bool ServerSpokeLast = true;
    }
}
