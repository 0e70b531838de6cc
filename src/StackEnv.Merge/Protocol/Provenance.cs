using System.Text.RegularExpressions;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>Who reported a failure, and about which statement. A SQLSTATE alone shows neither. docs/protocol.md has the table.</summary>
/// <remarks>
/// <see href="https://www.postgresql.org/docs/current/protocol-error-fields.html">The manual: fields of an error message</see>. Routines
/// are names in PostgreSQL's source, so they are never translated; message texts are, and are not used.
/// </remarks>
internal static partial class Provenance
{
    private const string InterruptsSession = "ProcessInterrupts";
    private const string WaitsForStandby = "SyncRepWaitForLSN";
    private const string ChecksReplicaIdentity = "CheckCmdReplicaIdentity";

    // It names the table. A missing column can be a value that a journal has put between double quotes, or between none.
    private const string OpensTable = "parserOpenTable";

    // Of Citus: a coordinator passes on what a worker said, with a line of context of its own.
    // https://github.com/citusdata/citus/blob/main/src/backend/distributed/connection/remote_commands.c
    private const string PassesOn = "ReportResultError";

    // Each names the table, and the policy.
    private static readonly string[] ChecksPrivileges = ["aclcheck_error", "check_enable_rls", "ExecWithCheckOptions"];

    // https://www.postgresql.org/docs/current/errcodes-appendix.html; the driver has no constants for these.
    public const string IdleInTransactionSessionTimeout = "25P03";
    public const string TransactionTimeout = "25P04";

    /// <summary>The server's error message inside the failure, wherever the driver has put it.</summary>
    public static PostgresException? MessageOf(Exception? failure)
    {
        while (failure is not null and not PostgresException)
        {
            failure = failure.InnerException;
        }

        return failure as PostgresException;
    }

    /// <summary>Whether PostgreSQL itself reported this. It always names its routine; poolers that answer in its place do not.</summary>
    public static bool IsServers(PostgresException message) => !string.IsNullOrEmpty(message.Routine);

    /// <summary>Whether this ended the session, and not only the transaction.</summary>
    public static bool EndsTheSession(PostgresException message) => message.InvariantSeverity is "FATAL" or "PANIC";

    /// <summary>
    /// Whether the server ended the session while a statement ran. It does not interrupt a COMMIT that is being carried out.
    /// </summary>
    public static bool EndsTheSessionBeforeCommit(PostgresException message) =>
        string.Equals(message.Routine, InterruptsSession, StringComparison.Ordinal) && message.SqlState is
            PostgresErrorCodes.AdminShutdown or
            PostgresErrorCodes.IdleSessionTimeout or
            IdleInTransactionSessionTimeout or
            TransactionTimeout;

    /// <summary>
    /// Whether the answer to COMMIT leaves open if it was carried out: a distributed engine's ambiguous result, a lost worker.
    /// </summary>
    public static bool LeavesCommitOpen(PostgresException answer) =>
        answer.SqlState is PostgresErrorCodes.StatementCompletionUnknown || HasClass(answer, "08");

    /// <summary>Whether the cursor is gone that was opened before the journals' statements: its transaction has ended.</summary>
    public static bool IsMarkerGone(PostgresException message) => message.SqlState is PostgresErrorCodes.InvalidCursorName;

    /// <summary>Whether a deferred constraint or trigger refused the commit: it ran before anything was committed.</summary>
    public static bool RefusesCommit(PostgresException answer) => HasClass(answer, "23") || HasClass(answer, "P0");

    /// <summary>Whether a notice says that the commit no longer waits for its synchronous standby.</summary>
    public static bool GivesUpStandby(PostgresNotice notice) => string.Equals(notice.Routine, WaitsForStandby, StringComparison.Ordinal);

    public static bool IsWarning(PostgresNotice notice) => string.Equals(notice.InvariantSeverity, "WARNING", StringComparison.Ordinal);

    /// <summary>
    /// Whether the server is a standby, or has been made read-only: what BEGIN READ WRITE, or the locked read, then fails with.
    /// </summary>
    public static bool IsStandby(PostgresException message, MergeStep refused) =>
        (refused == MergeStep.Begin && message.SqlState is PostgresErrorCodes.FeatureNotSupported) ||
        (refused is MergeStep.Begin or MergeStep.LockedRead or MergeStep.GuardedUpdate && IsAboutOurs(message) &&
            message.SqlState is PostgresErrorCodes.ReadOnlySqlTransaction);

    /// <summary>
    /// Whether the driver takes a statement for prepared that the session does not have: after DEALLOCATE ALL, or an ill-timed cancel.
    /// </summary>
    public static bool IsStatementLost(PostgresException message) =>
        message.SqlState is PostgresErrorCodes.InvalidSqlStatementName && IsAboutOurs(message);

    /// <summary>
    /// Whether the message is about the text of the statement itself, and not about what a function, trigger or policy does.
    /// </summary>
    public static bool IsAboutText(PostgresException message) => message.Position > 0 && IsAboutOurs(message);

    /// <summary>
    /// Whether the statement waited for the row itself: one line of context, with the place of a row version, as in "(0,5)".
    /// </summary>
    public static bool IsAboutRow(PostgresException message) => RowVersion.IsMatch(ContextOf(message));

    /// <summary>
    /// Where the statement was when it failed, besides at its own text: the lines of context, without the one that names a worker.
    /// </summary>
    public static string ContextOf(PostgresException message)
    {
        var context = message.Where ?? "";
        return string.Equals(message.Routine, PassesOn, StringComparison.Ordinal)
            ? context[..Math.Max(0, context.LastIndexOf('\n'))]
            : context;
    }

    /// <summary>
    /// Whether the message can be shown. What it can name then is names of the schema, roles and limits, and never a value that a cast,
    /// a constraint, a trigger or a policy was given.
    /// </summary>
    public static bool IsSafe(PostgresException message, MergeStep refused) => refused switch
    {
        // A message about the text of a journal's statement can quote a value that the journal wrote into it.
        MergeStep.Journal => IsAboutOurs(message) && (IsSafeWithoutPosition(message) ||
            (message.Position > 0 && string.Equals(message.Routine, OpensTable, StringComparison.Ordinal))),

        // These have no parameters and evaluate nothing of the host's.
        MergeStep.NotSent or MergeStep.Begin or MergeStep.Limits or MergeStep.Marker => true,
        _ => (IsAboutText(message) && (HasClass(message, "42") || HasClass(message, "0A") || HasClass(message, "3F"))) ||
            (IsAboutOurs(message) && IsSafeWithoutPosition(message)),
    };

    public static bool HasClass(PostgresException message, string errorClass) =>
        message.SqlState.StartsWith(errorClass, StringComparison.Ordinal);

    private static bool IsSafeWithoutPosition(PostgresException message) => message.SqlState switch
    {
        PostgresErrorCodes.InsufficientPrivilege => ChecksPrivileges.Contains(message.Routine, StringComparer.Ordinal),
        PostgresErrorCodes.ObjectNotInPrerequisiteState => string.Equals(message.Routine, ChecksReplicaIdentity, StringComparison.Ordinal),
        _ => string.Equals(message.Routine, InterruptsSession, StringComparison.Ordinal) || message.SqlState is
            PostgresErrorCodes.ReadOnlySqlTransaction or
            PostgresErrorCodes.SerializationFailure or
            PostgresErrorCodes.DeadlockDetected ||
            (message.SqlState is PostgresErrorCodes.FeatureNotSupported &&
                CitusPlanner.IsMatch(message.File ?? "")) ||
            HasClass(message, "53"),
    };

    private static bool IsAboutOurs(PostgresException message) =>
        ContextOf(message).Length == 0 && string.IsNullOrEmpty(message.InternalQuery) && message.InternalPosition == 0;

    // Where Citus says what it cannot plan: it looks at the statement before it has any value.
    [GeneratedRegex(@"^multi_\w+_planner\.c$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex CitusPlanner { get; }

    [GeneratedRegex(@"^[^\n]*\([0-9]+,[0-9]+\)[^\n]*$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RowVersion { get; }
}
