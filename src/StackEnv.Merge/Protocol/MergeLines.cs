namespace StackEnv.Merge.Protocol;

/// <summary>
/// The lines in front of the connections, one for each row that merges are under way to. Who waits here holds no connection, and is not in
/// PostgreSQL's wait queue, which slows down with its length.
/// </summary>
/// <remarks>
/// A line is for one key and one owner. Who names another owner finds no row, and must not learn from a wait that there is one.
/// </remarks>
/// <param name="maxPoolSize">
/// The size of the connection pool. The merges into one row hold at most a quarter of it, or eight connections of a small one, and never
/// the last one.
/// </param>
internal sealed class MergeLines(int maxPoolSize)
{
    private const int MaxSpares = 64;

    private readonly int _maxWidth = Math.Max(1, Math.Max(maxPoolSize / 4, Math.Min(AdaptiveWidth.Initial, maxPoolSize - 1)));
    private readonly Lock _lock = new();
    private readonly Dictionary<(object Key, object? Owner), MergeLine> _lines = [];

    // So that a merge that waits for no other allocates nothing here.
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
    /// <exception cref="TimeoutException">The turn did not come within the limit.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public async Task WaitAsync(
        MergeLine line, LinkedListNode<TaskCompletionSource> place, TimeSpan limit, CancellationToken cancellationToken)
    {
        try
        {
            await place.Value.Task.WaitAsync(limit, cancellationToken).ConfigureAwait(false);
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
