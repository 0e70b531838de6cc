using System.Globalization;
using System.Runtime.CompilerServices;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>One merge's transaction: what was sent of it, and what the server has answered so far.</summary>
/// <param name="batch">Everything up to COMMIT, or up to where the journals have their say.</param>
/// <param name="lockedRead">The statement that waits for the row.</param>
/// <param name="guardedUpdate">The statement that writes.</param>
/// <param name="guards">What the UPDATE makes its writing depend on.</param>
/// <param name="commit">The last statement; <see langword="null"/> where it goes with the journals.</param>
internal sealed class MergeTransaction(
    NpgsqlBatch batch, NpgsqlBatchCommand lockedRead, NpgsqlBatchCommand guardedUpdate, Guards guards, NpgsqlBatchCommand? commit) : IDisposable
{
    private NpgsqlBatch _sent = batch;
    private NpgsqlBatchCommand? _commit = commit;

    /// <summary>The row as it was read under its lock; <see langword="null"/> where there is none.</summary>
    public LockedRow? Locked { get; private set; }

    /// <summary>The document as the UPDATE left it.</summary>
    public RentedJson? Written { get; private set; }

    public Guards Guards => guards;

    /// <summary>How many rows the UPDATE wrote.</summary>
    public ulong RowsWritten => guardedUpdate.Rows;

    /// <summary>Whether the wait for the row is over.</summary>
    public bool LockedReadCompleted => HasCompleted(lockedRead);

    /// <summary>Whether COMMIT was handed to the driver to send.</summary>
    public bool CommitSent => _commit is not null;

    /// <summary>Whether COMMIT's completion tag has arrived.</summary>
    public bool CommitCompleted => _commit is not null && HasCompleted(_commit);

    /// <summary>Whether there is a statement before COMMIT that the server did not complete.</summary>
    public bool StoppedBeforeCommit => Refused != _commit;

    /// <summary>The first statement that the server did not complete: after an error, the one that it refused.</summary>
    public NpgsqlBatchCommand? Refused => ((IEnumerable<NpgsqlBatchCommand>)_sent.BatchCommands).FirstOrDefault(static command => !HasCompleted(command));

    /// <summary>The journal whose statement the server refused, if it was one's.</summary>
    public Type? RefusedJournal => Refused is { } command ? Journal?.JournalOf(command) : null;

    private JournalEntries? Journal { get; set; }

    /// <summary>Sends everything in one flush and reads every answer: a reader that is not drained would hide a late error.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        var reader = await _sent.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
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

            await DrainAsync(reader, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Sends what the journals have to say, and COMMIT behind it, in a second flush. The row stays locked for no longer than the limit.</summary>
    public async Task CommitAsync(JournalEntries journal, TimeSpan limit, CancellationToken cancellationToken)
    {
        var connection = _sent.Connection!;
        await _sent.DisposeAsync().ConfigureAwait(false);
        _sent = MergeStatements.CreateCommit(connection, journal);
        _commit = _sent.BatchCommands[^1];
        Journal = journal;
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(limit);
        try
        {
            var reader = await _sent.ExecuteReaderAsync(limited.Token).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
            {
                await DrainAsync(reader, limited.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
#pragma warning disable MA0054 // The cancellation holds the server's exception, which may not travel.
            throw new TimeoutException(string.Create(CultureInfo.InvariantCulture, $"It took longer than {limit.TotalSeconds} s."));
#pragma warning restore MA0054
        }
    }

    public void Dispose()
    {
        _sent.Dispose();
        Locked?.Dispose();
        Written?.Dispose();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private static async ValueTask DrainAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
        {
            // Going on reads what a statement returned, up to the answer to COMMIT.
        }
    }

    // The driver notes a statement's type when, and only when, its completion tag arrives.
    private static bool HasCompleted(NpgsqlBatchCommand command) => command.StatementType != StatementType.Unknown;
}
