using System.Diagnostics;
using System.Globalization;
using Npgsql;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>What the journals write for one merge, and which of them returned what.</summary>
internal sealed class JournalEntries
{
    private static readonly string[] TransactionWords = ["COMMIT", "END", "ROLLBACK", "ABORT", "BEGIN", "START", "PREPARE"];

    private readonly List<(NpgsqlBatchCommand Command, Type Journal)> _entries = [];

    public IEnumerable<NpgsqlBatchCommand> Commands => _entries.Select(static entry => entry.Command);

    /// <summary>The journals that returned anything.</summary>
    public string Names => string.Join(", ", _entries.Select(static entry => entry.Journal).Distinct());

    /// <summary>Asks each journal once, in order. A journal that takes longer than the limit fails: a little later the server would end the session.</summary>
    /// <exception cref="StackEnvStoreException">A journal failed. What it threw is not attached: its message could hold a value.</exception>
    public static JournalEntries Collect(IStackEnvMergeJournal[] journals, StackRef stack, MergeResult result, TimeSpan limit)
    {
        var startedAt = Stopwatch.GetTimestamp();
        var entries = new JournalEntries();
        foreach (var journal in journals)
        {
            entries.Add(journal, stack, result, startedAt, limit);
        }

        // Only now, because a journal can still change a command that it has returned before.
        foreach (var (command, journal) in entries._entries)
        {
            if (WhatIsWrongWith(command) is { } problem)
            {
                throw Failed(stack, journal, problem, isTransient: false);
            }
        }

        return entries;
    }

    /// <summary>The journal that returned this command; <see langword="null"/> if none did.</summary>
    public Type? JournalOf(NpgsqlBatchCommand command) => _entries.FirstOrDefault(entry => entry.Command == command).Journal;

    private static StackEnvStoreException Failed(StackRef stack, Type journal, string how, bool isTransient) =>
        new(stack, $"The journal {journal} {how}.", sqlState: null, isTransient);

    private static string? WhatIsWrongWith(NpgsqlBatchCommand? command) => command switch
    {
        null => "returned null, or a null command",

        // After a barrier the server goes on after an error, up to a COMMIT that would commit nothing and look like one that did.
        { AppendErrorBarrier: true } => "returned a command with an error barrier, which would divide the transaction",
        _ when IsAboutTransaction(SqlWords.First(command.CommandText)) => "returned a command that begins or ends a transaction",
        _ => null,
    };

    private static bool IsAboutTransaction(ReadOnlySpan<char> word)
    {
        foreach (var other in TransactionWords)
        {
            if (word.Equals(other, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    // The clock is read for each command: a journal can return commands for ever.
    private void Add(IStackEnvMergeJournal journal, StackRef stack, MergeResult result, long startedAt, TimeSpan limit)
    {
        var type = journal.GetType();
        try
        {
            foreach (var command in journal.Record(stack, result) ?? [null!])
            {
                _entries.Add((command, type));
                if (Stopwatch.GetElapsedTime(startedAt) >= limit)
                {
                    break;
                }
            }
        }
#pragma warning disable CA1031 // Whatever a host's code throws, the merge is rolled back.
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            throw Failed(stack, type, $"threw {thrown.GetType()}", isTransient: false);
        }

        if (Stopwatch.GetElapsedTime(startedAt) >= limit)
        {
            var late = string.Create(CultureInfo.InvariantCulture, $"was not ready within {limit.TotalSeconds} s");
            throw Failed(stack, type, late, isTransient: true);
        }
    }
}
