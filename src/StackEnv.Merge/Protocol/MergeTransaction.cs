using System.Data.Common;
using System.Globalization;
using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>One merge's transaction: the batches that were sent for it, and what the server has answered so far.</summary>
/// <remarks>
/// The whole transaction is one batch with one Sync at its end, so that an error anywhere skips everything after it, COMMIT included.
/// That is why no error barrier may ever be put between the statements. With journals, COMMIT goes into a second batch, after what they
/// write.
/// </remarks>
internal sealed class MergeTransaction : IDisposable
{
    private readonly NpgsqlBatch _merge;
    private readonly NpgsqlBatchCommand _begin;
    private readonly NpgsqlBatchCommand _lockedRead;
    private readonly NpgsqlBatchCommand _guardedUpdate;
    private readonly TimeLimits _limits;
    private NpgsqlBatch? _closing;
    private JournalEntries? _journal;
    private NpgsqlBatchCommand? _marker;
    private NpgsqlBatchCommand? _commit;

    public MergeTransaction(
        NpgsqlConnection connection, MergeSql sql, MergeRequest request, TableFacts table, Guards guards, LockBudget budget, bool andCommit)
    {
        Guards = guards;
        Budget = budget;
        _limits = sql.Limits;
        _begin = MergeSql.Begin();
        _lockedRead = sql.LockedRead(request, table);
        _guardedUpdate = sql.GuardedUpdate(request, guards);
        _merge = new NpgsqlBatch(connection)
        {
            // Of each read, not of the whole.
            Timeout = (int)Math.Ceiling(_limits.Batch.TotalSeconds),
            BatchCommands =
            {
                _begin,
                sql.LimitEachWait(budget.Left),
                sql.LimitWholeWait(budget.Left),
                _lockedRead,
                MergeSql.RestoreStatementTimeout(),
                _guardedUpdate,
            },
        };
        if (table.SuppressesWarnings)
        {
            _merge.BatchCommands.Add(MergeSql.ShowWarnings());
        }

        _merge.BatchCommands.Add(andCommit ? _commit = MergeSql.Commit() : sql.LimitIdleTime());
        connection.Notice += Heed;
    }

    public Guards Guards { get; }

    /// <summary>How long the merge may wait for its row.</summary>
    public LockBudget Budget { get; }

    /// <summary>The row as it was read under its lock; <see langword="null"/> if there is none.</summary>
    public LockedRow? Locked { get; private set; }

    /// <summary>How many rows the locked read returned.</summary>
    public int RowsLocked { get; private set; }

    /// <summary>The document as the UPDATE left it.</summary>
    public RentedJson? Written { get; private set; }

    /// <summary>The version as the UPDATE left it; <see langword="null"/> if the table has no column for it.</summary>
    public long? VersionWritten { get; private set; }

    /// <summary>
    /// Whether both rows were read to their ends: only then do <see cref="Locked"/> and <see cref="Written"/> count.
    /// </summary>
    public bool IsAnswerComplete { get; private set; }

    /// <summary>How many rows the UPDATE wrote.</summary>
    public ulong RowsWritten => _guardedUpdate.Rows;

    /// <summary>Whether the server has returned the row, so that the wait for it is over.</summary>
    public bool IsRowLocked => RowsLocked > 0 || HasCompleted(_lockedRead);

    /// <summary>Whether COMMIT was handed to the driver to send.</summary>
    public bool CommitSent => _commit is not null;

    /// <summary>Whether COMMIT's completion tag has arrived.</summary>
    public bool CommitCompleted => _commit is not null && HasCompleted(_commit);

    /// <summary>Whether the server warned, during COMMIT, that it no longer waits for a synchronous standby.</summary>
    public bool StandbyWasGivenUp { get; private set; }

    /// <summary>Whether the server warned of anything during COMMIT.</summary>
    public bool WarnedDuringCommit { get; private set; }

    /// <summary>Whether the server has answered nothing of what was sent last.</summary>
    public bool NothingWasAnswered => !HasCompleted(Sent.BatchCommands[0]);

    /// <summary>The first statement that the server did not complete: after an error, the one that it refused.</summary>
    public NpgsqlBatchCommand? Refused =>
        ((IEnumerable<NpgsqlBatchCommand>)Sent.BatchCommands).FirstOrDefault(static command => !HasCompleted(command));

    /// <summary>The step of <see cref="Refused"/>.</summary>
    public MergeStep Reached => Refused switch
    {
        null => MergeStep.Done,
        var command when command == _commit => MergeStep.Commit,
        var command when command == _marker => MergeStep.Marker,
        var command when command == _lockedRead => MergeStep.LockedRead,
        var command when command == _guardedUpdate => MergeStep.GuardedUpdate,
        var command when _journal?.JournalOf(command) is not null => MergeStep.Journal,
        var command when command == _begin => MergeStep.Begin,
        _ => MergeStep.Limits,
    };

    /// <summary>The journal whose statement the server refused, if a journal wrote it.</summary>
    public Type? RefusedJournal => Refused is { } command ? _journal?.JournalOf(command) : null;

    /// <summary>The journals whose statements could not be sent.</summary>
    public string? UnsentJournals => _journal is { IsEmpty: false } && NothingWasAnswered ? _journal.Names : null;

    private NpgsqlBatch Sent => _closing ?? _merge;

    /// <summary>Sends the merge in one flush and reads every answer: a reader that is not drained would hide a late error.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        Budget.Start();
        var reader = await _merge.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            Budget.Stop();
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                if (++RowsLocked == 1)
                {
                    Locked = LockedRow.Read(reader);
                }
            }

            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
            var rowsReturned = 0UL;
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                if (++rowsReturned == 1)
                {
                    Written = RentedJson.Read(reader, 0);
                    VersionWritten = reader.FieldCount > 1 ? reader.GetInt64(1) : null;
                }
            }

            IsAnswerComplete = rowsReturned == RowsWritten;
            await DrainAsync(reader, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Sends what the journals write, if there are any, and COMMIT after it, in a second flush. The row stays locked for no longer than a
    /// batch may take.
    /// </summary>
    /// <remarks>
    /// A cursor is open while the journals write. Its answer comes first, which shows that the batch was sent at all; and if a journal has
    /// ended the transaction, the cursor is gone, closing it fails, and COMMIT is skipped.
    /// </remarks>
    public async Task CommitAsync(JournalEntries? journal, CancellationToken cancellationToken)
    {
        _journal = journal;
        _commit = MergeSql.Commit();
        // Its time is limited as a whole, below.
        _closing = new NpgsqlBatch(_merge.Connection) { Timeout = 0 };
        if (journal is { IsEmpty: false })
        {
            _closing.BatchCommands.Add(MergeSql.OpenMarker());
            foreach (var command in journal.Commands)
            {
                _closing.BatchCommands.Add(command);
            }

            _closing.BatchCommands.Add(_marker = MergeSql.CloseMarker());
        }

        _closing.BatchCommands.Add(_commit);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(_limits.Batch);
        try
        {
            var reader = await _closing.ExecuteReaderAsync(limited.Token).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                await DrainAsync(reader, limited.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
#pragma warning disable MA0054 // The cancellation holds the server's exception, which must not leave the library.
            throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"It took longer than {_limits.Batch.TotalSeconds} s."));
#pragma warning restore MA0054
        }
    }

    /// <summary>Ends a transaction that waits for COMMIT, and keeps the connection.</summary>
    public async Task RollBackAsync(CancellationToken cancellationToken)
    {
        var rollback = new NpgsqlBatch(_merge.Connection) { Timeout = _merge.Timeout, BatchCommands = { MergeSql.RollBack() } };
        await using (rollback.ConfigureAwait(false))
        {
            await rollback.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Whether writing a journal's parameter failed and broke the connection: COMMIT would have been sent after it.
    /// </summary>
    public bool FailedToWriteJournal(Exception? failure) =>
        _journal is not null && NothingWasAnswered &&
        failure is not (null or NpgsqlException or OperationCanceledException or TimeoutException or OutOfMemoryException) &&
        failure.GetType() != typeof(Exception);

    public void Dispose()
    {
        _merge.Connection?.Notice -= Heed;
        _merge.Dispose();
        _closing?.Dispose();
        Locked?.Dispose();
        Written?.Dispose();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private static async ValueTask DrainAsync(DbDataReader reader, CancellationToken cancellationToken)
    {
        while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
        {
            // Going on reads what a statement returned, up to the answer to COMMIT.
        }
    }

    private void Heed(object sender, NpgsqlNoticeEventArgs notice)
    {
        StandbyWasGivenUp |= CommitSent && Provenance.GivesUpStandby(notice.Notice);
        WarnedDuringCommit |= Provenance.IsWarning(notice.Notice) && Reached == MergeStep.Commit;
    }

    // The driver notes a statement's type when, and only when, its completion tag arrives.
    private static bool HasCompleted(NpgsqlBatchCommand command) => command.StatementType != StatementType.Unknown;
}
