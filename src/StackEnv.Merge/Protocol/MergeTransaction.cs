using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>One merge's statements, and what the server has answered to them so far.</summary>
internal sealed class MergeBatch(NpgsqlBatch batch, NpgsqlBatchCommand lockedRead, NpgsqlBatchCommand guardedUpdate, NpgsqlBatchCommand commit)
{
    /// <summary>The row as it was read under its lock; <see langword="null"/> where there is none.</summary>
    public LockedRow? Locked { get; private set; }

    /// <summary>The document as the UPDATE left it.</summary>
    public byte[]? Written { get; private set; }

    /// <summary>How many rows the UPDATE wrote.</summary>
    public ulong RowsWritten => guardedUpdate.Rows;

    /// <summary>Whether the wait for the row is over.</summary>
    public bool LockedReadCompleted => HasCompleted(lockedRead);

    /// <summary>Whether COMMIT's completion tag has arrived.</summary>
    public bool CommitCompleted => HasCompleted(commit);

    /// <summary>The first statement that the server did not complete: after an error, the one that it refused.</summary>
    public NpgsqlBatchCommand? Refused => ((IEnumerable<NpgsqlBatchCommand>)batch.BatchCommands).FirstOrDefault(static command => !HasCompleted(command));

    /// <summary>Sends everything in one flush and reads every answer: a reader that is not drained would hide a late error.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
#pragma warning disable CA1849 // The driver has the whole row in memory: reading a column does not block.
        var reader = await batch.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            if (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                Locked = new(
                    Status: reader.IsDBNull(0) ? null : reader.GetString(0),
                    Document: reader.IsDBNull(1) ? null : reader.GetFieldValue<byte[]>(1));
            }

            await reader.NextResultAsync(cancellationToken).ConfigureAwait(false);
            if (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                Written = reader.IsDBNull(0) ? null : reader.GetFieldValue<byte[]>(0);
            }

#pragma warning restore CA1849
            while (await reader.NextResultAsync(cancellationToken).ConfigureAwait(false))
            {
                // Only the two statements above return rows: this reads the answer to COMMIT.
            }
        }
    }

    // The driver notes a statement's type when, and only when, its completion tag arrives.
    private static bool HasCompleted(NpgsqlBatchCommand command) => command.StatementType != StatementType.Unknown;
}
