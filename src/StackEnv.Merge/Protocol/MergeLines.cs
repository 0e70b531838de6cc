namespace StackEnv.Merge.Protocol;

/// <summary>
/// The lines in front of the connections, one for each row that has merges in progress. A merge that waits here holds no connection, and is
/// not in PostgreSQL's wait queue, which becomes slower as it grows.
/// </summary>
/// <remarks>
/// A line is for one key and one owner. A caller that names another owner finds no row, and must not learn from a wait that there is one.
/// </remarks>
/// <param name="maxPoolSize">
/// The size of the connection pool. The merges into one row hold at most half of it, or eight connections of a small one, and never the
/// last one.
/// </param>
internal sealed class MergeLines(int maxPoolSize)
{
    private const int MaxSpares = 64;

    private readonly int _maxWidth = Math.Max(1, Math.Max(maxPoolSize / 2, Math.Min(AdaptiveWidth.Initial, maxPoolSize - 1)));
    private readonly Lock _lock = new();
    private readonly Dictionary<(object Key, object? Owner), MergeLine> _lines = [];

    // Kept for reuse: a merge that waits for no other allocates nothing here.
    private readonly Stack<MergeLine> _spares = new();

    /// <summary>Enters the line of a row.</summary>
    /// <param name="row">The row.</param>
    /// <param name="place">The place in line to wait at; <see langword="null"/> if the merge may run at once.</param>
    public MergeLine Enter((object Key, object? Owner) row, out LinkedListNode<TaskCompletionSource>? place)
    {
        lock (_lock)
        {
            if (!_lines.TryGetValue(row, out var line))
            {
                line = _spares.TryPop(out var spare) ? spare : new MergeLine(_maxWidth);
                line.Serve(row);
                _lines.Add(row, line);
            }

            place = line.Enter();
            return line;
        }
    }

    /// <summary>Waits until it is the merge's turn. Whatever this throws, the merge has left the line.</summary>
    /// <exception cref="TimeoutException">The turn did not come within the budget.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task WaitAsync(
        MergeLine line, LinkedListNode<TaskCompletionSource> place, LockBudget budget, CancellationToken cancellationToken)
    {
        try
        {
            await WaitAsync(place.Value.Task, budget, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            lock (_lock)
            {
                line.GiveUp(place);
                CloseIfAtRest(line);
            }

            throw;
        }
    }

    /// <summary>Leaves the line, which lets the next merge run.</summary>
    /// <param name="line">The line.</param>
    /// <param name="time">How long the merge took; <see langword="null"/> if it did not reach the row.</param>
    /// <param name="succeeded">Whether it succeeded.</param>
    public void Leave(MergeLine line, long? time, bool succeeded)
    {
        lock (_lock)
        {
            line.Leave(time, succeeded);
            CloseIfAtRest(line);
        }
    }

    private static async Task WaitAsync(Task turn, LockBudget budget, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                await turn.WaitAsync(budget.Left, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (TimeoutException) when (!budget.IsSpent)
            {
                // A timer can fire some milliseconds early.
            }
        }
    }

    private void CloseIfAtRest(MergeLine line)
    {
        if (!line.IsAtRest)
        {
            return;
        }

        _lines.Remove(line.Row);
        line.Serve(default);
        if (_spares.Count < MaxSpares)
        {
            _spares.Push(line);
        }
    }
}
