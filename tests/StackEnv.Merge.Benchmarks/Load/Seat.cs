using StackEnv.Merge.Benchmarks.Contestants;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>A contestant's place in a contest: its own data source, and what it did so far.</summary>
internal sealed class Seat(Contestant contestant, StacksDatabase database, string connectionString) : IAsyncDisposable
{
    private IContestant? _contestant;

    public Contestant Contestant => contestant;

    public List<Slice> Slices { get; } = [];

    public CallerLoad Load => new(_contestant ??= contestant.Create(connectionString), database);

    /// <summary>Closes the contestant's connections; the next turn opens others.</summary>
    public async Task LeaveAsync()
    {
        if (_contestant is not null)
        {
            await _contestant.DisposeAsync();
        }

        _contestant = null;
    }

    public async ValueTask DisposeAsync() => await LeaveAsync();
}
