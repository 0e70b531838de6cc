using System.Globalization;
using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Protocol;

/// <summary>What SQL a merge runs, in what order. The text is made once; each merge adds only its parameters.</summary>
/// <remarks>
/// The whole transaction is one batch behind one Sync, so that an error anywhere skips everything after it, COMMIT included. That is why no
/// error barrier may ever be put between the statements. Where there are journals, COMMIT goes with what they write, in a second batch.
/// </remarks>
internal sealed class MergeStatements
{
    // When the write happens and not now(), which is when the transaction began: in a queue for the row it would run backwards.
    public const string Clock = "clock_timestamp()";

    // An explicit mode, so that no default of the role or the database changes the protocol.
    private const string Begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    private const string RestoreStatementTimeout = "SET LOCAL statement_timeout TO DEFAULT";
    private const string Commit = "COMMIT";

    // lock_timeout bounds each wait of the locked read and statement_timeout their sum. The margin lets the more telling error of the two
    // come first where there is only one wait.
    private static readonly TimeSpan StatementTimeoutMargin = TimeSpan.FromMilliseconds(100);

    // The client gives up on a silent server only after the server had every chance to answer by itself.
    private static readonly TimeSpan BatchTimeoutMargin = TimeSpan.FromSeconds(5);

    // The server gives up on a client that is silent between the two batches only after the client has given up by itself: then it is the
    // client who says what became of the merge, and knows.
    private static readonly TimeSpan IdleTimeoutMargin = TimeSpan.FromSeconds(1);

    private readonly TimeSpan _lockTimeout;
    private readonly string _setLockTimeout;
    private readonly string _setStatementTimeout;
    private readonly string _setIdleTimeout;
    private readonly Dictionary<(bool HasOwner, bool HasDeletes), RowStatements> _texts;
    private readonly int _maxEnvBytes;

    public MergeStatements(StackEnvMergeOptions options)
    {
        BatchTimeout = options.LockTimeout + BatchTimeoutMargin;
        _lockTimeout = options.LockTimeout;
        _setLockTimeout = SetLockTimeout(_lockTimeout);
        _setStatementTimeout = SetStatementTimeout(_lockTimeout);
        _setIdleTimeout = SetLocal("idle_in_transaction_session_timeout", BatchTimeout + IdleTimeoutMargin);
        bool[] either = [false, true];
        _texts = (from hasOwner in either from hasDeletes in either select (hasOwner, hasDeletes))
            .ToDictionary(static kind => kind, kind => new RowStatements(options, kind.hasOwner, kind.hasDeletes));
        _maxEnvBytes = options.MaxEnvBytes;
    }

    /// <summary>How long a batch may take, and so may the journals to say what is in it, while the row is locked.</summary>
    public TimeSpan BatchTimeout { get; }

    public MergeTransaction CreateTransaction(
        NpgsqlConnection connection, StackRef stack, EnvChanges changes, Guards guards, TimeSpan wait, bool andCommit)
    {
        var texts = _texts[(stack.Owner is not null, changes.DeletesArray is not null)];
        var lockedRead = new NpgsqlBatchCommand(texts.LockedRead) { Parameters = { Parameter(stack.Key) } };
        var guardedUpdate = new NpgsqlBatchCommand(guards == Guards.Quick ? texts.QuickUpdate : texts.ExactUpdate)
        {
            Parameters =
            {
                Parameter(stack.Key),
                new NpgsqlParameter<byte[]> { TypedValue = changes.SetsJson, NpgsqlDbType = NpgsqlDbType.Jsonb },
                new NpgsqlParameter<int>
                {
                    TypedValue = guards == Guards.Quick ? _maxEnvBytes - changes.SetsBytes : _maxEnvBytes,
                    NpgsqlDbType = NpgsqlDbType.Integer,
                },
            },
        };
        if (stack.Owner is { } owner)
        {
            lockedRead.Parameters.Add(Parameter(owner));
            guardedUpdate.Parameters.Add(Parameter(owner));
        }

        if (changes.DeletesArray is { } deletes)
        {
            guardedUpdate.Parameters.Add(new NpgsqlParameter<string> { TypedValue = deletes, NpgsqlDbType = NpgsqlDbType.Unknown });
        }

#pragma warning disable CA2000 // The transaction disposes of it.
        var batch = new NpgsqlBatch(connection)
        {
            // Of each read, not of the whole.
            Timeout = (int)Math.Ceiling(BatchTimeout.TotalSeconds),
            BatchCommands =
            {
                new NpgsqlBatchCommand(Begin),
                new NpgsqlBatchCommand(wait == _lockTimeout ? _setLockTimeout : SetLockTimeout(wait)),
                new NpgsqlBatchCommand(wait == _lockTimeout ? _setStatementTimeout : SetStatementTimeout(wait)),
                lockedRead,
                new NpgsqlBatchCommand(RestoreStatementTimeout),
                guardedUpdate,
            },
        };
#pragma warning restore CA2000
        var last = new NpgsqlBatchCommand(andCommit ? Commit : _setIdleTimeout);
        batch.BatchCommands.Add(last);
        return new(batch, lockedRead, guardedUpdate, guards, andCommit ? last : null);
    }

    public static NpgsqlBatch CreateCommit(NpgsqlConnection connection, JournalEntries journal)
    {
        // Its time is limited as a whole, by who runs it.
        var batch = new NpgsqlBatch(connection) { Timeout = 0 };
        foreach (var command in journal.Commands)
        {
            batch.BatchCommands.Add(command);
        }

        batch.BatchCommands.Add(new NpgsqlBatchCommand(Commit));
        return batch;
    }

    private static string SetLockTimeout(TimeSpan wait) => SetLocal("lock_timeout", wait);

    private static string SetStatementTimeout(TimeSpan wait) => SetLocal("statement_timeout", wait + StatementTimeoutMargin);

    private static string SetLocal(string setting, TimeSpan time) => string.Create(
        CultureInfo.InvariantCulture, $"SET LOCAL {setting} = {Math.Min(int.MaxValue, (long)Math.Ceiling(time.TotalMilliseconds))}");

    private static NpgsqlParameter Parameter(object value) => value switch
    {
        Guid uuid => new NpgsqlParameter<Guid> { TypedValue = uuid, NpgsqlDbType = NpgsqlDbType.Uuid },
        long bigint => new NpgsqlParameter<long> { TypedValue = bigint, NpgsqlDbType = NpgsqlDbType.Bigint },
        _ => new NpgsqlParameter<string> { TypedValue = (string)value, NpgsqlDbType = NpgsqlDbType.Text },
    };

    /// <summary>The statements on the row, for one kind of merge: whether the owner is part of the look-up, and whether anything is deleted.</summary>
    private sealed class RowStatements
    {
        // For a key that is a varchar, an operator of somebody's own in the search path can fit better than the built-in one.
        // https://www.postgresql.org/docs/current/typeconv-oper.html
        private const string Is = "OPERATOR(pg_catalog.=)";

        public RowStatements(StackEnvMergeOptions options, bool hasOwner, bool hasDeletes)
        {
            var table = SqlIdentifier.Table(options);
            var key = SqlIdentifier.Quote(options.KeyColumn);
            var status = SqlIdentifier.Quote(options.StatusColumn);
            var env = SqlIdentifier.Quote(options.EnvVarsColumn);

            LockedRead = $"SELECT {status}::text, {env}::text FROM {table} WHERE {key} {Is} $1{AndOwner(2)} FOR NO KEY UPDATE";

            // $1 is the key, $2 what is set, $3 the limit; behind them the owner and what is deleted, if any.
            var isTheRow = $"{key} {Is} $1{AndOwner(4)}";
            var deletes = hasOwner ? "$5::text[]" : "$4::text[]";
            var isInTeardown = $"{status}::text IN ({string.Join(", ", options.DeletingStatuses.Select(SqlLiteral.Quote))})";
            var touch = options.UpdatedAtColumn is { } updatedAt ? $", {SqlIdentifier.Quote(updatedAt)} = {Clock}" : "";

            // The guards are one CASE, because about any other condition the planner asks its statistics first how many rows may pass, and
            // tries the operators on each of the hundred documents that ANALYZE keeps: that takes longer than all the rest of a merge.
            // https://www.postgresql.org/docs/current/row-estimation-examples.html
            //
            // Here $3 is the limit less the size of the sets, because a merged document is never larger than both together. None of the
            // operators raises, whatever the document is, and SQL NULL passes none of them.
            QuickUpdate =
                $"""
                UPDATE {table} SET {env} = {Merged(env)}{touch}
                WHERE {isTheRow}
                  AND CASE WHEN {isInTeardown} THEN false
                    ELSE {env} @> '{"{}"}' AND {IsChanged(env)} AND octet_length({env}::text) <= $3 END
                RETURNING {env}::text
                """;

            // jsonb prints a space behind ':' and ',', so that its text is never shorter than the compact form: one cheap comparison often
            // settles the size. CASE also keeps the operators from documents on which they would raise.
            var stored = $"coalesce({env}, '{{}}')";
            ExactUpdate =
                $"""
                UPDATE {table} SET {env} = {Merged(stored)}{touch}
                WHERE {isTheRow}
                  AND CASE WHEN {isInTeardown} OR jsonb_typeof({stored}) <> 'object' THEN false
                    ELSE {IsChanged(stored)}
                      AND (octet_length(({Merged(stored)})::text) <= $3
                        OR {CompactBytes(Merged(stored))} <= greatest($3, {CompactBytes(stored)} - 1)) END
                RETURNING {env}::text
                """;

            string AndOwner(int parameter) => hasOwner ? $" AND {SqlIdentifier.Quote(options.OwnerColumn)} {Is} ${parameter}" : "";
            string Merged(string document) => hasDeletes ? $"({document} || $2) - {deletes}" : $"{document} || $2";
            string IsChanged(string document) => hasDeletes ? $"(NOT {document} @> $2 OR {document} ?| {deletes})" : $"NOT {document} @> $2";
        }

        public string LockedRead { get; }

        public string QuickUpdate { get; }

        public string ExactUpdate { get; }

        // Drops the spaces that lie outside strings.
        private static string CompactBytes(string document) =>
            $"""octet_length(regexp_replace(({document})::text, E'("(?:[^"\\\\]|\\\\.)*")|\\s', E'\\1', 'g'))""";
    }
}
