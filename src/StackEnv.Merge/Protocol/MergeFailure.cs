using System.Text;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What each failure of the database or the connection becomes for the caller.</summary>
internal static class MergeFailure
{
    /// <summary>What a failure before the merge was sent becomes: nothing can have been written.</summary>
    public static Exception BeforeSending(Exception failure, MergeRequest request, CancellationToken cancellationToken) => failure switch
    {
        OperationCanceledException when cancellationToken.IsCancellationRequested => Cancelled(request.Stack, cancellationToken),
        PostgresException refused => new StackEnvStoreException(
            request.Stack, Describe(refused, advice: null), refused.SqlState, refused.IsTransient),
        _ => StoreFailure(failure, request.Stack, culprit: ""),
    };

    /// <param name="failure">What was thrown.</param>
    /// <param name="outcome">Not committed, or unknown.</param>
    /// <param name="transaction">What was sent.</param>
    /// <param name="budget">How long the caller has waited for the row.</param>
    /// <param name="request">What was asked for.</param>
    /// <param name="table">The table of the stacks.</param>
    /// <param name="cancellationToken">The caller's.</param>
    public static Exception Translate(
        Exception failure,
        CommitOutcome outcome,
        MergeTransaction transaction,
        LockBudget budget,
        MergeRequest request,
        TargetTable table,
        CancellationToken cancellationToken)
    {
        if (outcome == CommitOutcome.Unknown)
        {
            return new MergeOutcomeUnknownException(request.Stack, Attachable(failure));
        }

        return failure switch
        {
            OperationCanceledException when cancellationToken.IsCancellationRequested => Cancelled(request.Stack, cancellationToken),
            StackEnvMergeException ours => ours,
            _ when !transaction.LockedReadCompleted && IsEndOf(budget, failure) =>
                new LockTimeoutException(request.Stack, budget.Limit),

            // The row was free, and the table was not. If a trigger waited for something, the server says so in its context.
            PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable, Where: null or "" } when transaction is { RefusedJournal: null, LockedReadCompleted: true } =>
                new LockTimeoutException(request.Stack, budget.Limit),
            PostgresException refused => new StackEnvStoreException(
                request.Stack,
                Culprit(transaction) + Describe(refused, Advice(refused, transaction, request, table)),
                refused.SqlState,
                refused.IsTransient),
            _ => StoreFailure(failure, request.Stack, Culprit(transaction)),
        };
    }

    private static OperationCanceledException Cancelled(StackRef stack, CancellationToken cancellationToken) =>
        new($"The merge into stack {stack} was cancelled. Nothing was written.", cancellationToken);

    private static StackEnvStoreException StoreFailure(Exception failure, StackRef stack, string culprit) =>
        new(stack, culprit + Describe(failure), sqlState: null, IsTransient(failure), Attachable(failure));

    // Either lock_timeout; or statement_timeout, which bounds the whole wait; or the driver's own read time-out, which is longer. The SQLSTATE
    // of the second is also that of pg_cancel_backend, so that only the time tells them apart.
    private static bool IsEndOf(LockBudget budget, Exception failure) => failure switch
    {
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } => true,
        PostgresException { SqlState: PostgresErrorCodes.QueryCanceled } or NpgsqlException { InnerException: TimeoutException } => budget.IsSpent,
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

    private static string Culprit(MergeTransaction transaction) =>
        transaction.RefusedJournal is { } journal ? $"The journal {journal} failed. " : "";

    private static string? Advice(PostgresException refused, MergeTransaction transaction, MergeRequest request, TargetTable table) =>
        transaction is { RefusedJournal: null, Refused: { } statement }
            ? SchemaAdvice.For(refused, statement, transaction.LockedReadCompleted, request.Stack, table)
            : null;

    private static string Describe(PostgresException refused, string? advice)
    {
        var problem = new StringBuilder($"PostgreSQL reported SQLSTATE {refused.SqlState}");
        if (SafeText(refused) is { } text)
        {
            problem.Append(": ").Append(text);
        }

        problem.Append('.');
        if (advice is not null)
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
