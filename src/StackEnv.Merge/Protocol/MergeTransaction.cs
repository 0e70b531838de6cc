using System.Data.Common;
using System.Globalization;
using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>One merge's transaction: the batches that were sent for it, and what the server has answered so far.</summary>
/// <remarks>
/// The whole transaction is one batch with one Sync at its end, so that an error anywhere skips everything after it, COMMIT included.
/// That is why no error barrier may ever be put between the statements. With journals, COMMIT goes into a second batch, after what they write.
/// </remarks>
internal sealed class MergeTransaction : IDisposable
{
    private readonly NpgsqlBatch _merge;
    private readonly NpgsqlBatchCommand _lockedRead;
    private readonly NpgsqlBatchCommand _guardedUpdate;
    private readonly TimeLimits _limits;
    private NpgsqlBatch? _journaling;
    private JournalEntries? _journal;
    private NpgsqlBatchCommand? _commit;

    private MergeTransaction(
        NpgsqlBatch merge, NpgsqlBatchCommand lockedRead, NpgsqlBatchCommand guardedUpdate, Guards guards, TimeLimits limits)
    {
        _merge = merge;
        _lockedRead = lockedRead;
        _guardedUpdate = guardedUpdate;
        _limits = limits;
        Guards = guards;
    }

    public Guards Guards { get; }

    /// <summary>The row as it was read under its lock; <see langword="null"/> if there is none.</summary>
    public LockedRow? Locked { get; private set; }

    /// <summary>The document as the UPDATE left it.</summary>
    public RentedJson? Written { get; private set; }

    /// <summary>Whether both rows were read to their ends: only then do <see cref="Locked"/> and <see cref="Written"/> say anything.</summary>
    public bool IsAnswerComplete { get; private set; }

    /// <summary>How many rows the UPDATE wrote.</summary>
    public ulong RowsWritten => _guardedUpdate.Rows;

    /// <summary>Whether the wait for the row is over.</summary>
    public bool LockedReadCompleted => HasCompleted(_lockedRead);

    /// <summary>Whether COMMIT was handed to the driver to send.</summary>
    public bool CommitSent => _commit is not null;

    /// <summary>Whether COMMIT's completion tag has arrived.</summary>
    public bool CommitCompleted => _commit is not null && HasCompleted(_commit);

    /// <summary>Whether there is a statement before COMMIT that the server did not complete.</summary>
    public bool StoppedBeforeCommit => Refused != _commit;

    /// <summary>The first statement that the server did not complete: after an error, the one that it refused.</summary>
    public NpgsqlBatchCommand? Refused =>
        ((IEnumerable<NpgsqlBatchCommand>)(_journaling ?? _merge).BatchCommands).FirstOrDefault(static command => !HasCompleted(command));

    /// <summary>The journal whose statement the server refused, if it was one's.</summary>
    public Type? RefusedJournal => Refused is { } command ? _journal?.JournalOf(command) : null;

    public static MergeTransaction Create(
        NpgsqlConnection connection, MergeSql sql, TimeLimits limits, MergeRequest request, Guards guards, TimeSpan wait, bool andCommit)
    {
        var lockedRead = sql.LockedRead(request);
        var guardedUpdate = sql.GuardedUpdate(request, guards);
#pragma warning disable CA2000 // The transaction disposes of it.
        var merge = new NpgsqlBatch(connection)
        {
            // Of each read, not of the whole.
            Timeout = (int)Math.Ceiling(limits.Batch.TotalSeconds),
            BatchCommands =
            {
                MergeSql.Begin(),
                sql.LimitEachWait(wait),
                sql.LimitWholeWait(wait),
                lockedRead,
                MergeSql.RestoreStatementTimeout(),
                guardedUpdate,
            },
        };
#pragma warning restore CA2000
        var transaction = new MergeTransaction(merge, lockedRead, guardedUpdate, guards, limits);
        merge.BatchCommands.Add(andCommit ? transaction._commit = MergeSql.Commit() : sql.LimitIdleTime());
        return transaction;
    }

    /// <summary>Sends the merge in one flush and reads every answer: a reader that is not drained would hide a late error.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        var reader = await _merge.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            if (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                Locked = LockedRow.Read(reader);
            }

            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
            if (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                Written = RentedJson.Read(reader, 0);
            }

            IsAnswerComplete = true;
            await DrainAsync(reader, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Sends what the journals write, and COMMIT after it, in a second flush. The row stays locked for no longer than a batch may take.</summary>
    public async Task CommitAsync(JournalEntries journal, CancellationToken cancellationToken)
    {
        _journal = journal;
        _commit = MergeSql.Commit();
        // Its time is limited as a whole, below.
        _journaling = new NpgsqlBatch(_merge.Connection) { Timeout = 0 };
        foreach (var command in journal.Commands)
        {
            _journaling.BatchCommands.Add(command);
        }

        _journaling.BatchCommands.Add(_commit);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(_limits.Batch);
        try
        {
            var reader = await _journaling.ExecuteReaderAsync(limited.Token).ConfigureAwait(false);
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

    public void Dispose()
    {
        _merge.Dispose();
        _journaling?.Dispose();
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

    // The driver notes a statement's type when, and only when, its completion tag arrives.
    private static bool HasCompleted(NpgsqlBatchCommand command) => command.StatementType != StatementType.Unknown;
}
