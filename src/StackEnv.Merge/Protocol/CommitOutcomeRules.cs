using System.Data;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>Decides whether a merge was committed, whatever was thrown on the way.</summary>
internal static class CommitOutcomeRules
{
    /// <summary>
    /// Call after disposing the reader and before disposing the connection: by then the driver has read all that the server sent.
    /// </summary>
    /// <param name="transaction">What was handed to the driver to send, and what was heard.</param>
    /// <param name="connectionState">The connection's full state now.</param>
    /// <param name="failure">What was thrown, if anything.</param>
    public static CommitOutcome Decide(MergeTransaction transaction, ConnectionState connectionState, Exception? failure)
    {
        // The primary has committed, and it is unknown whether the standby that may replace it ever will.
        if (transaction.StandbyWasGivenUp)
        {
            return CommitOutcome.Unknown;
        }

        if (transaction.CommitCompleted)
        {
            return CommitOutcome.Committed;
        }

        if (!transaction.CommitSent)
        {
            return CommitOutcome.NotCommitted;
        }

        return IsCertainlyNotCommitted(transaction, connectionState == ConnectionState.Open, failure)
            ? CommitOutcome.NotCommitted
            : CommitOutcome.Unknown;
    }

    private static bool IsCertainlyNotCommitted(MergeTransaction transaction, bool isOpen, Exception? failure) =>
        Provenance.MessageOf(failure) is { } message
            ? Provenance.IsServers(message) && IsCertain(message, transaction, isOpen)

            // The driver waits for the end of the batch before it keeps a connection open. What a host's code throws into it (a parameter,
            // a logger) comes before it has sent anything, and then nothing was answered.
            : isOpen ? !transaction.WarnedDuringCommit &&
                (failure is NpgsqlException or OperationCanceledException or TimeoutException ||
                    (failure is not OutOfMemoryException && transaction.NothingWasAnswered))
            : transaction.FailedToWriteJournal(failure);

    private static bool IsCertain(PostgresException message, MergeTransaction transaction, bool isOpen) => transaction.Reached switch
    {
        // A journal has ended the transaction, and committed the merge or rolled it back.
        MergeStep.Marker when Provenance.IsMarkerGone(message) => false,

        // The driver resets a pooled connection in a message of its own before BEGIN, and gives the connection up if that fails. The server
        // goes on with the merge.
        MergeStep.Begin when !isOpen && !Provenance.EndsTheSession(message) => false,

        // What was refused came before COMMIT, and the server skips all that follows.
        < MergeStep.Commit when !Provenance.EndsTheSession(message) => true,

        _ when Provenance.RefusesCommit(message) => isOpen,

        // A coordinator warns when a worker is lost, and then is interrupted itself: the worker may have committed.
        _ when transaction.WarnedDuringCommit || Provenance.LeavesCommitOpen(message) => false,
        _ => isOpen || Provenance.EndsTheSessionBeforeCommit(message),
    };
}
