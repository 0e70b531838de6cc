using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>Where a server is, how to reach it, and how a data source goes through a proxy in front of it.</summary>
public static class ProxiedServer
{
    public static EndPoint EndPointOf(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        return settings.Host!.StartsWith('/')
            ? new UnixDomainSocketEndPoint($"{settings.Host}/.s.PGSQL.{settings.Port}")
            : new DnsEndPoint(settings.Host, settings.Port);
    }

    public static Socket NewSocketTo(EndPoint server) => server is UnixDomainSocketEndPoint
        ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
        : new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    public static NpgsqlDataSource DataSourceThrough(TcpListener proxy, string connectionString, Action<NpgsqlConnectionStringBuilder>? configure)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            Host = IPAddress.Loopback.ToString(),
            Port = ((IPEndPoint)proxy.LocalEndpoint).Port,

            // What is counted and cut must be readable on the wire.
            SslMode = SslMode.Disable,
            GssEncryptionMode = GssEncryptionMode.Disable,
        };
        configure?.Invoke(settings);
        return NpgsqlDataSource.Create(settings.ConnectionString);
    }
}
