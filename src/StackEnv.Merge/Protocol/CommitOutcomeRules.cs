using System.Data;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>Decides whether a merge was committed, whatever was thrown on the way.</summary>
internal static class CommitOutcomeRules
{
    // https://www.postgresql.org/docs/current/errcodes-appendix.html; the driver has no constants for these two.
    private const string IdleInTransactionSessionTimeout = "25P03";
    private const string TransactionTimeout = "25P04";

    /// <summary>Call after disposing the reader and before disposing the connection: by then the driver has read all that the server sent.</summary>
    /// <param name="transaction">What was handed to the driver to send.</param>
    /// <param name="connectionState">The connection's full state now.</param>
    /// <param name="failure">What was thrown, if anything.</param>
    public static CommitOutcome Decide(MergeTransaction transaction, ConnectionState connectionState, Exception? failure) => transaction switch
    {
        { CommitCompleted: true } => CommitOutcome.Committed,

        { CommitSent: false } => CommitOutcome.NotCommitted,

        // On an open connection the driver has seen the end of the batch, and no COMMIT in it.
        _ when connectionState == ConnectionState.Open => CommitOutcome.NotCommitted,
        _ when failure is PostgresException { SqlState: var sqlState } &&
            (EndsTheSessionBeforeCommit(sqlState) || (transaction.StoppedBeforeCommit && IsOutOfResources(sqlState))) => CommitOutcome.NotCommitted,
        _ => CommitOutcome.Unknown,
    };

    // The server says these to a session that it ends while a statement runs, or that it never let in; a COMMIT that is being carried out
    // is not interrupted by them.
    private static bool EndsTheSessionBeforeCommit(string sqlState) => sqlState is
        PostgresErrorCodes.AdminShutdown or
        PostgresErrorCodes.CannotConnectNow or
        PostgresErrorCodes.IdleSessionTimeout or
        IdleInTransactionSessionTimeout or
        TransactionTimeout;

    // Class 53: memory, disk, connections. The driver gives up the connection then, though the server goes on and has skipped COMMIT. Only the
    // server says these; other classes that end the same way (58, XX) are also what poolers say of a server that they lost.
    private static bool IsOutOfResources(string sqlState) => sqlState.StartsWith("53", StringComparison.Ordinal);
}
