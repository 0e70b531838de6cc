using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>Whether the same merge may succeed a little later: judged by what time can change.</summary>
internal static class Transience
{
    /// <summary>A failure before anything was sent: time changes all but credentials, names and options.</summary>
    public static bool OfConnecting(Exception failure) => failure switch
    {
        PostgresException refused => !IsAboutConnectionString(refused),
        NpgsqlException { InnerException: AggregateException hosts } => hosts.InnerExceptions.Any(OfConnecting),

        // The driver gives no cause if none of several hosts is the primary, which is how a failover looks while it lasts, and if a pooler
        // that is full answers the request for TLS.
        NpgsqlException { InnerException: null } => true,
        NpgsqlException { InnerException: { } cause } => OfConnecting(cause),
        _ => OfDriver(failure),
    };

    /// <summary>A statement failed: the server said so, or a pooler in its place.</summary>
    public static bool OfMessage(PostgresException message, MergeStep refused) =>
        !Provenance.IsServers(message) ||
        Provenance.IsStandby(message, refused) ||
        Provenance.IsStatementLost(message) ||
        message.SqlState switch
        {
            PostgresErrorCodes.QueryCanceled or
            PostgresErrorCodes.LockNotAvailable or
            PostgresErrorCodes.ObjectInUse or
            PostgresErrorCodes.SystemError or
            PostgresErrorCodes.IoError or
            Provenance.IdleInTransactionSessionTimeout or
            Provenance.TransactionTimeout => true,
            PostgresErrorCodes.DatabaseDropped => false,
            _ => Provenance.HasClass(message, "08") || Provenance.HasClass(message, "40") || Provenance.HasClass(message, "53") ||
                Provenance.HasClass(message, "57"),
        };

    /// <summary>
    /// The connection failed while the merge was under way. When the driver loses track of the messages, it throws a plain exception.
    /// </summary>
    /// <remarks><see href="https://github.com/npgsql/npgsql/issues/6391">npgsql#6391</see>.</remarks>
    public static bool OfDriver(Exception failure) =>
        failure is TimeoutException or SocketException or IOException or NpgsqlException { IsTransient: true } ||
        failure.GetType() == typeof(Exception);

    // The server reports 08P01 if it does not understand a client; poolers report it for everything, also if they are full.
    private static bool IsAboutConnectionString(PostgresException refused) =>
        Provenance.HasClass(refused, "28") || Provenance.HasClass(refused, "3D") || Provenance.HasClass(refused, "42") ||
        Provenance.HasClass(refused, "22") || Provenance.HasClass(refused, "0A") ||
        (refused.SqlState is PostgresErrorCodes.ProtocolViolation && Provenance.IsServers(refused));
}
