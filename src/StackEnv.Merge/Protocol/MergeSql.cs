using System.Globalization;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// Every statement of a merge, with its text and its parameters. The texts are made once; each merge adds only its parameters.
/// </summary>
internal sealed class MergeSql
{
    // An explicit mode, so that no default of the role or the database changes the protocol.
    private const string BeginText = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

    private readonly TimeSpan _lockTimeout;
    private readonly string _lockTimeoutText;
    private readonly string _wholeWaitText;
    private readonly string _idleTimeoutText;
    private readonly LockedReadSql[] _lockedRead;
    private readonly LockedReadSql[] _strongLockedRead;
    private readonly GuardedUpdateSql[] _guardedUpdate;

    public MergeSql(MergeSettings settings)
    {
        bool[] either = [false, true];
        Limits = settings.Limits;
        _lockTimeout = Limits.LockTimeout;
        _lockTimeoutText = LockTimeoutText(_lockTimeout);
        _wholeWaitText = WholeWaitText(_lockTimeout);
        _idleTimeoutText = SetLocal("idle_in_transaction_session_timeout", Limits.IdleInTransaction);
        _lockedRead = [.. either.Select(hasOwner => new LockedReadSql(settings.Table, hasOwner, "FOR NO KEY UPDATE"))];
        _strongLockedRead = [.. either.Select(hasOwner => new LockedReadSql(settings.Table, hasOwner, "FOR UPDATE"))];
        _guardedUpdate =
        [
            .. from hasVersion in either
               from hasOwner in either
               from hasDeletes in either
               where !hasVersion || settings.Table.Version is not null
               select new GuardedUpdateSql(settings, hasOwner, hasDeletes, hasVersion),
        ];
    }

    public TimeLimits Limits { get; }

    public static NpgsqlBatchCommand Begin() => new(BeginText);

    public static NpgsqlBatchCommand RestoreStatementTimeout() => new("SET LOCAL statement_timeout TO DEFAULT");

    public static NpgsqlBatchCommand Commit() => new("COMMIT");

    public static NpgsqlBatchCommand RollBack() => new("ROLLBACK");

    /// <summary>Lets the warnings of a COMMIT through, for sessions that suppress them.</summary>
    public static NpgsqlBatchCommand ShowWarnings() => new("SET LOCAL client_min_messages = warning");

    /// <summary>
    /// A cursor ends with its transaction, and unlike a savepoint it does not put the journals' rows into a subtransaction.
    /// </summary>
    public static NpgsqlBatchCommand OpenMarker() => new("DECLARE stackenv_merge CURSOR FOR SELECT");

    /// <summary>Fails if a journal has ended the transaction.</summary>
    public static NpgsqlBatchCommand CloseMarker() => new("CLOSE stackenv_merge");

    public NpgsqlBatchCommand LimitEachWait(TimeSpan wait) => new(wait == _lockTimeout ? _lockTimeoutText : LockTimeoutText(wait));

    public NpgsqlBatchCommand LimitWholeWait(TimeSpan wait) => new(wait == _lockTimeout ? _wholeWaitText : WholeWaitText(wait));

    public NpgsqlBatchCommand LimitIdleTime() => new(_idleTimeoutText);

    /// <summary>Locks the row as strongly as the UPDATE needs it: an UPDATE of what a unique index holds needs the stronger lock.</summary>
    public NpgsqlBatchCommand LockedRead(MergeRequest request, TableFacts table) =>
        (table.NeedsStrongLock ? _strongLockedRead : _lockedRead)[HasOwner(request)].Command(request);

    public NpgsqlBatchCommand GuardedUpdate(MergeRequest request, Guards guards) =>
        _guardedUpdate[
            (request.Stack.Version is null ? 0 : 4) + (2 * HasOwner(request)) + (request.DeletesArray is null ? 0 : 1)]
            .Command(request, guards);

    private static int HasOwner(MergeRequest request) => request.Stack.Owner is null ? 0 : 1;

    private static string LockTimeoutText(TimeSpan wait) => SetLocal("lock_timeout", wait);

    private static string WholeWaitText(TimeSpan wait) => SetLocal("statement_timeout", TimeLimits.WholeWait(wait));

    private static string SetLocal(string setting, TimeSpan time) => string.Create(
        CultureInfo.InvariantCulture, $"SET LOCAL {setting} = {Math.Min(int.MaxValue, (long)Math.Ceiling(time.TotalMilliseconds))}");
}
