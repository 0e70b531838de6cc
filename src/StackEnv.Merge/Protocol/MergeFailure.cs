using System.Text;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What each failure of the database or the connection becomes for the caller.</summary>
internal static class MergeFailure
{
    /// <param name="failure">What was thrown.</param>
    /// <param name="outcome">What became of the transaction; not committed or unknown.</param>
    /// <param name="transaction">What was handed to the driver to send; <see langword="null"/> where it did not come to that.</param>
    /// <param name="wait">How long the caller has waited for the row.</param>
    /// <param name="stack">The stack that the merge was asked for.</param>
    /// <param name="options">The merger's options.</param>
    /// <param name="cancellationToken">The caller's.</param>
    public static Exception Translate(
        Exception failure,
        MergeOutcome outcome,
        MergeTransaction? transaction,
        RowWait wait,
        StackRef stack,
        StackEnvMergeOptions options,
        CancellationToken cancellationToken)
    {
        if (outcome == MergeOutcome.Unknown)
        {
            return new MergeOutcomeUnknownException(stack, Attachable(failure));
        }

        return failure switch
        {
            OperationCanceledException when cancellationToken.IsCancellationRequested =>
                new OperationCanceledException($"The merge into stack {stack} was cancelled. Nothing was written.", cancellationToken),
            StackEnvMergeException ours => ours,
            _ when transaction is { LockedReadCompleted: false } && IsEndOf(wait, failure) =>
                new LockTimeoutException(stack, wait.Limit),

            // The row was free, and the table was not. Where a trigger waited for something, the server tells in which context.
            PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable, Where: null or "" } when transaction is { RefusedJournal: null, LockedReadCompleted: true } =>
                new LockTimeoutException(stack, wait.Limit),
            PostgresException refused => new StackEnvStoreException(
                stack, Culprit(transaction) + Describe(refused, transaction, stack, options), refused.SqlState, refused.IsTransient),
            _ => new StackEnvStoreException(
                stack,
                Culprit(transaction) + Describe(failure),
                sqlState: null,
                IsTransient(failure),
                Attachable(failure)),
        };
    }

    // Either lock_timeout; or statement_timeout, which bounds the whole wait; or the driver's own read time-out, which is longer. The SQLSTATE
    // of the second is also that of pg_cancel_backend, so that only the time tells them apart.
    private static bool IsEndOf(RowWait wait, Exception failure) => failure switch
    {
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } => true,
        PostgresException { SqlState: PostgresErrorCodes.QueryCanceled } or NpgsqlException { InnerException: TimeoutException } => wait.IsOver,
        _ => false,
    };

    // Of several hosts the driver says only that none of them will do, which is how a failover looks while it lasts. And where it loses track of
    // the server's messages it gives the connection up with an exception of no special type: https://github.com/npgsql/npgsql/issues/6391
    private static bool IsTransient(Exception failure) => failure switch
    {
        TimeoutException or NpgsqlException { IsTransient: true } => true,
        NpgsqlException { InnerException: AggregateException hosts } => hosts.InnerExceptions.Any(IsTransient),
        NpgsqlException { InnerException: null } and not PostgresException => true,
        _ => failure.GetType() == typeof(Exception),
    };

    private static string Culprit(MergeTransaction? transaction) => transaction?.RefusedJournal is { } journal ? $"The journal {journal} failed. " : "";

    private static string Describe(PostgresException refused, MergeTransaction? transaction, StackRef stack, StackEnvMergeOptions options)
    {
        var problem = new StringBuilder($"PostgreSQL reported SQLSTATE {refused.SqlState}");
        if (SafeText(refused) is { } text)
        {
            problem.Append(": ").Append(text);
        }

        problem.Append('.');
        if (transaction is { RefusedJournal: null, Refused: { } statement } && SchemaAdvice.For(refused, statement, transaction, stack, options) is { } advice)
        {
            problem.Append(' ').Append(advice);
        }

        return problem.ToString();
    }

    // A message of these classes names roles, objects and resources. Others can quote a value, and so can any message that a function or a
    // trigger raised, which shows in its context.
    private static string? SafeText(PostgresException refused) =>
        string.IsNullOrEmpty(refused.Where) && refused.SqlState[..2] is "08" or "25" or "28" or "3D" or "3F" or "40" or "42" or "53" or "54" or "55" or "57" or "58"
            ? refused.MessageText
            : null;

    private static string Describe(Exception failure)
    {
        var problem = new StringBuilder();
        for (var cause = Attachable(failure); cause is not null; cause = cause.InnerException)
        {
            problem.Append(problem.Length == 0 ? "" : ": ").Append(cause.Message.TrimEnd('.'));
        }

        return problem.Append(problem.Length == 0 ? "The connection failed." : ".").ToString();
    }

    // A PostgresException holds fields in which the server quotes values; it may not travel with ours, however deep.
    private static Exception? Attachable(Exception failure)
    {
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is PostgresException or AggregateException)
            {
                return null;
            }
        }

        return failure;
    }
}
