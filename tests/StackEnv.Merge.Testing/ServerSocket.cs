using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>Where a server is, and a socket to reach it.</summary>
public static class ServerSocket
{
    public static EndPoint EndPointOf(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        return settings.Host!.StartsWith('/')
            ? new UnixDomainSocketEndPoint($"{settings.Host}/.s.PGSQL.{settings.Port}")
            : new DnsEndPoint(settings.Host, settings.Port);
    }

    public static Socket NewFor(EndPoint server) => server is UnixDomainSocketEndPoint
        ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        : new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
}
