using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>Where a proxy's server is, and how a data source goes through the proxy.</summary>
internal static class ProxiedServer
{
    public static EndPoint EndPointOf(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        return settings.Host!.StartsWith('/')
            ? new UnixDomainSocketEndPoint($"{settings.Host}/.s.PGSQL.{settings.Port}")
            : new DnsEndPoint(settings.Host, settings.Port);
    }

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
