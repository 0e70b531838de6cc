using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What each failure of the database, the connection or a journal becomes for the caller of one merge.</summary>
internal readonly struct MergeFailure(MergeRequest request, TargetTable table, CancellationToken cancellationToken)
{
    private const string WholeOrNothing = "it was carried out as a whole or not at all.";

    private StackRef Stack => request.Stack;

    /// <summary>Nothing of the merge was sent, so nothing was written.</summary>
    public Exception BeforeSending(Exception failure) => failure switch
    {
        StackEnvMergeException ours => ours,

        // Of several hosts, the driver reports a cancellation as a failure of each.
        _ when cancellationToken.IsCancellationRequested => Cancelled(),
        _ => StoreFailure(failure, Describe(failure, MergeStep.NotSent), Transience.OfConnecting(failure)),
    };

    /// <summary>The merge's turn at the row did not come in time.</summary>
    public Exception StillInLine(LockBudget budget) => new LockTimeoutException(
        Stack, budget.Limit, "other merges of this process into it were ahead in line, and did not finish");

    /// <summary>The transaction was not committed.</summary>
    public Exception NotCommitted(Exception failure, MergeTransaction transaction)
    {
        var reached = transaction.Reached;
        return failure switch
        {
            OperationCanceledException when cancellationToken.IsCancellationRequested => Cancelled(),
            StackEnvMergeException ours => ours,
            PostgresException refused when IsEndOfWait(refused, transaction, reached) =>
                new LockTimeoutException(Stack, transaction.Budget.Limit),
            PostgresException refused => StoreFailure(
                refused,
                Culprit(refused, transaction, reached) + Describe(refused, reached) + Advice(refused, transaction, reached),
                Transience.OfMessage(refused, reached)),
            _ => StoreFailure(failure, Culprit(failure, transaction, reached) + Describe(failure, reached), Transience.OfDriver(failure)),
        };
    }

    /// <summary>It is unknown whether the transaction was committed, or what it did.</summary>
    public Exception Unknown(Exception? failure, MergeTransaction transaction)
    {
        var message = Provenance.MessageOf(failure);
        var problem = transaction switch
        {
            { StandbyWasGivenUp: true } =>
                "The primary committed it, but the wait for its synchronous standby was cancelled: a failover can lose it.",
            { CommitCompleted: true } => "It was committed, but its result could not be read.",
            { Reached: MergeStep.Marker } =>
                "A journal ended the transaction: remove its COMMIT or ROLLBACK. The merge may be committed without what journals write.",
            _ when message is null => $"The connection was lost while it was being committed: {WholeOrNothing}",
            _ when Provenance.IsServers(message) =>
                $"The server reported SQLSTATE {message.SqlState} while it was being committed: {WholeOrNothing}",
            _ => $"A pooler or proxy reported SQLSTATE {message.SqlState} in the server's place: {WholeOrNothing}",
        };
        return new MergeOutcomeUnknownException(Stack, problem, Attachable(failure));
    }

    private OperationCanceledException Cancelled() =>
        new($"The merge into stack {Stack} was cancelled. Nothing was written.", cancellationToken);

    private StackEnvStoreException StoreFailure(Exception failure, string problem, bool isTransient) =>
        new(Stack, problem, (failure as PostgresException)?.SqlState, isTransient, Attachable(failure));

    // Only the server can say that the wait for the row is over: by lock_timeout, or by statement_timeout, which bounds the whole wait. The
    // SQLSTATE of the second is also that of pg_cancel_backend, so only the time tells them apart. Once the UPDATE runs the row is locked,
    // but the table may not be, or the row not strongly enough; a trigger that waits for something has a context of its own.
    private static bool IsEndOfWait(PostgresException refused, MergeTransaction transaction, MergeStep reached) =>
        Provenance.IsServers(refused) && (reached, refused.SqlState) switch
        {
            (MergeStep.LockedRead, PostgresErrorCodes.LockNotAvailable) => !transaction.IsRowLocked,
            (MergeStep.LockedRead, PostgresErrorCodes.QueryCanceled) => !transaction.IsRowLocked && transaction.Budget.IsSpent,
            (MergeStep.GuardedUpdate, PostgresErrorCodes.LockNotAvailable) =>
                Provenance.ContextOf(refused).Length == 0 || Provenance.IsAboutRow(refused),
            _ => false,
        };

    private static string Culprit(Exception failure, MergeTransaction transaction, MergeStep reached) => failure switch
    {
        _ when transaction.RefusedJournal is { } journal => $"The journal {journal} failed. ",
        PostgresException when reached == MergeStep.Commit => "COMMIT was refused. ",
        _ when !IsDrivers(failure) && transaction.UnsentJournals is { } journals =>
            $"A command of the journal {journals} could not be sent. ",
        _ => "",
    };

    private string Advice(PostgresException refused, MergeTransaction transaction, MergeStep reached)
    {
        var advice = reached switch
        {
            _ when Provenance.IsStandby(refused, reached) => "The server is a standby, or read-only: merges need the primary.",
            MergeStep.Commit when refused.SqlState is PostgresErrorCodes.LockNotAvailable && Provenance.ContextOf(refused).Length == 0 =>
                "COMMIT waited for another transaction: transactions that send NOTIFY commit one at a time in the whole server.",
            MergeStep.LockedRead or MergeStep.GuardedUpdate =>
                SchemaAdvice.For(refused, transaction.Refused!, lockedReadCompleted: reached > MergeStep.LockedRead, Stack, table),
            _ => null,
        };
        return advice is null ? "" : $" {advice}";
    }

    private static string Describe(Exception failure, MergeStep reached)
    {
        if (failure is PostgresException refused)
        {
            var speaker = Provenance.IsServers(refused) ? "PostgreSQL" : "A pooler or proxy";
            var text = Provenance.IsSafe(refused, reached) ? $": {refused.MessageText}" : "";
            return $"{speaker} reported SQLSTATE {refused.SqlState}{text}.";
        }

        var problem = new StringBuilder();
        for (var cause = failure; IsDrivers(cause); cause = cause.InnerException)
        {
            problem.Append(problem.Length == 0 ? "" : ": ").Append(cause.Message.TrimEnd('.'));
        }

        return problem.Append(problem.Length == 0 ? $"It threw {failure.GetType()}." : ".").ToString();
    }

    // A PostgresException holds fields in which the server quotes values, and an exception of the host's code can hold anything. Neither
    // may leave the library, however deep.
    private static Exception? Attachable(Exception? failure)
    {
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (!IsDrivers(cause))
            {
                return null;
            }
        }

        return failure;
    }

    private static bool IsDrivers([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] Exception? cause) =>
        cause is (NpgsqlException and not PostgresException)
            or IOException or SocketException or TimeoutException or AuthenticationException;
}
