using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What the journals have to say of one merge, and which of them said what.</summary>
internal sealed class JournalEntries
{
    private readonly List<(NpgsqlBatchCommand Command, Type Journal)> _entries = [];

    public IEnumerable<NpgsqlBatchCommand> Commands => _entries.Select(static entry => entry.Command);

    /// <summary>Asks each journal once, in order. Who takes longer than the limit is too late: a little later the server ends the session, to free the row.</summary>
    /// <exception cref="StackEnvStoreException">A journal failed. What it threw stays behind: its message could hold a value.</exception>
    public static JournalEntries Collect(IStackEnvMergeJournal[] journals, StackRef stack, MergeResult result, TimeSpan limit)
    {
        var startedAt = Stopwatch.GetTimestamp();
        var entries = new JournalEntries();
        foreach (var journal in journals)
        {
            try
            {
                foreach (var command in journal.Record(stack, result) ?? throw Failed("returned null"))
                {
                    entries._entries.Add((Checked(command), journal.GetType()));
                }
            }
#pragma warning disable CA1031 // Whatever a host's code throws, the merge is rolled back.
            catch (Exception thrown) when (thrown is not StackEnvStoreException)
#pragma warning restore CA1031
            {
                throw Failed($"threw {thrown.GetType()}");
            }

            if (Stopwatch.GetElapsedTime(startedAt) >= limit)
            {
                throw Failed(string.Create(CultureInfo.InvariantCulture, $"was not ready within {limit.TotalSeconds} s"), isTransient: true);
            }

            NpgsqlBatchCommand Checked(NpgsqlBatchCommand? command) => command switch
            {
                null => throw Failed("returned a null command"),

                // Behind a barrier the server goes on after an error, up to a COMMIT that would commit nothing and look like one that did.
                { AppendErrorBarrier: true } => throw Failed("returned a command with an error barrier, which would divide the transaction"),
                _ => command,
            };

            StackEnvStoreException Failed(string how, bool isTransient = false) => new(stack, $"The journal {journal.GetType()} {how}.", sqlState: null, isTransient);
        }

        return entries;
    }

    /// <summary>The journal that this command is of; <see langword="null"/> where it is nobody's.</summary>
    public Type? JournalOf(NpgsqlBatchCommand command) => _entries.FirstOrDefault(entry => entry.Command == command).Journal;
}
