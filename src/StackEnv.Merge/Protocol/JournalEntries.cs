using System.Diagnostics;
using System.Globalization;
using Npgsql;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>What the journals write for one merge, and which of them returned what.</summary>
internal sealed class JournalEntries
{
    private readonly List<(NpgsqlBatchCommand Command, Type Journal)> _entries = [];

    private JournalEntries()
    {
    }

    public IEnumerable<NpgsqlBatchCommand> Commands => _entries.Select(static entry => entry.Command);

    public bool IsEmpty => _entries.Count == 0;

    /// <summary>The journals that returned anything.</summary>
    public string Names => string.Join(" or ", _entries.Select(static entry => entry.Journal).Distinct());

    /// <summary>
    /// Asks each journal once, in order. One that takes longer than the limit fails: a little later the server ends the session.
    /// </summary>
    /// <exception cref="StackEnvStoreException">A journal failed. What it threw is not attached: it could hold a value.</exception>
    public static async Task<JournalEntries> CollectAsync(
        IStackEnvMergeJournal[] journals, StackRef stack, MergeResult result, TimeSpan limit, CancellationToken cancellationToken)
    {
        var startedAt = Stopwatch.GetTimestamp();
        var journal = new JournalEntries();
        var current = typeof(IStackEnvMergeJournal);
        try
        {
            foreach (var each in journals)
            {
                current = each.GetType();

                // The clock is read for each command: a journal can return commands without end.
                foreach (var command in each.Record(stack, result) ?? throw new RejectedException("returned null"))
                {
                    journal._entries.Add((command, current));
                    ThrowIfLate(startedAt, limit);
                }

                ThrowIfLate(startedAt, limit);
            }

            foreach (var (command, type) in journal._entries)
            {
                current = type;
                await BufferStreamsAsync(command, startedAt, limit, cancellationToken).ConfigureAwait(false);
            }

            // Only now, because until here a journal can change a command that it has returned.
            foreach (var (command, type) in journal._entries)
            {
                current = type;
                ThrowIfUnfit(command);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
#pragma warning disable CA1031 // Whatever a host's code throws, the merge is rolled back.
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            var rejected = thrown as RejectedException;
            throw new StackEnvStoreException(
                stack,
                $"The journal {current} {rejected?.Message ?? $"threw {thrown.GetType()}"}.",
                sqlState: null,
                isTransient: rejected?.IsTransient ?? false);
        }

        return journal;
    }

    /// <summary>The journal that returned this command; <see langword="null"/> if none did.</summary>
    public Type? JournalOf(NpgsqlBatchCommand command) => _entries.FirstOrDefault(entry => entry.Command == command).Journal;

    private static void ThrowIfLate(long startedAt, TimeSpan limit)
    {
        if (Stopwatch.GetElapsedTime(startedAt) >= limit)
        {
            throw Late(limit);
        }
    }

    private static RejectedException Late(TimeSpan limit) =>
        new(string.Create(CultureInfo.InvariantCulture, $"was not ready within {limit.TotalSeconds} s")) { IsTransient = true };

    private static void ThrowIfUnfit(NpgsqlBatchCommand? command)
    {
        var problem = command switch
        {
            null => "returned a null command",

            // After a barrier the server goes on after an error, up to a COMMIT that would commit nothing and look like one that did.
            { AppendErrorBarrier: true } => "returned a command with an error barrier, which would divide the transaction",
            _ when EndsTransaction(command.CommandText) => "returned a command that ends the transaction",
            _ => null,
        };
        if (problem is not null)
        {
            throw new RejectedException(problem);
        }
    }

    // A command is one statement, so its first words say what it is.
    private static bool EndsTransaction(ReadOnlySpan<char> sql) => SqlWords.Next(ref sql) switch
    {
        "COMMIT" or "END" or "ABORT" => true,
        "PREPARE" => SqlWords.Next(ref sql) is "TRANSACTION",
        "ROLLBACK" => SqlWords.Next(ref sql) is not "TO" and var next &&
            (next is not ("WORK" or "TRANSACTION") || SqlWords.Next(ref sql) is not "TO"),
        _ => false,
    };

    // A stream is read now, and not when the command is sent: what it throws then would look like a lost connection.
    private static async Task BufferStreamsAsync(
        NpgsqlBatchCommand? command, long startedAt, TimeSpan limit, CancellationToken cancellationToken)
    {
        foreach (NpgsqlParameter parameter in (IEnumerable<NpgsqlParameter>?)command?.Parameters ?? [])
        {
            if (parameter.Value is Stream stream)
            {
                parameter.Value = await BufferAsync(stream, startedAt, limit, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static async Task<MemoryStream> BufferAsync(
        Stream stream, long startedAt, TimeSpan limit, CancellationToken cancellationToken)
    {
        var left = limit - Stopwatch.GetElapsedTime(startedAt);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limited.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        var buffer = new MemoryStream();
        try
        {
            // It may not heed the token.
            await stream.CopyToAsync(buffer, limited.Token).WaitAsync(limited.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limited.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Late(limit);
        }

        ThrowIfLate(startedAt, limit);
        buffer.Position = 0;
        return buffer;
    }

#pragma warning disable CA1064 // It never leaves this class.
    private sealed class RejectedException(string problem) : Exception(problem)
#pragma warning restore CA1064
    {
        public bool IsTransient { get; init; }
    }
}
