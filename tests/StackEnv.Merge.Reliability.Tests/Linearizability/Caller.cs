using System.Diagnostics;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>One caller of merges, who waits for each answer before the next call. The history knows its writes by its name.</summary>
internal sealed class Caller : IAsyncDisposable
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly RowHistory _history;
    private readonly IStackEnvMergeJournal[] _journals;
    private readonly Dictionary<(int MaxEnvBytes, TimeSpan LockTimeout), StackEnvMerger> _mergers = [];

    public Caller(string name, TestDatabase database, RowHistory history, OptionSet options)
    {
        Name = name;
        _history = history;
        _journals = options.WithJournal ? [Journal.Audit] : [];
        _dataSource = database.DataSourceWith(settings =>
        {
            settings.ApplicationName = name;
            settings.MaxAutoPrepare = options.AutoPrepare ? 20 : 0;
        });
    }

    public string Name { get; }

    public async Task<Operation> MergeAsync(MergeRequest request)
    {
        var merger = MergerWith(request.MaxEnvBytes, request.LockTimeout);
        request = request.ReadsVersion ? request with { AtVersion = (await _history.RowAsync(request.Stack))?.Version ?? 0 } : request;
        StackRef stack = request.Stack;
        stack = request.Owner is { } owner ? stack.OwnedBy(owner) : stack;
        stack = request.AtVersion is { } version ? stack.AtVersion(version) : stack;

        var earliest = await _history.NewestAsync(request.Stack);
        using var cancellation = new CancellationTokenSource();
        if (request.CancelAfter is { } delay)
        {
            cancellation.CancelAfter(delay);
        }

        var watch = Stopwatch.StartNew();
        var told = await ToldAsync(merger.MergeAsync(stack, request.Changes, cancellation.Token));
        var elapsed = watch.Elapsed;
        return new(Name, request, told, earliest, Latest: await _history.NewestAsync(request.Stack), elapsed);
    }

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();

    // As in a host: each of them looks at its table once.
    private StackEnvMerger MergerWith(int maxEnvBytes, TimeSpan lockTimeout)
    {
        if (!_mergers.TryGetValue((maxEnvBytes, lockTimeout), out var merger))
        {
            merger = new(
                _dataSource,
                new() { MaxEnvBytes = maxEnvBytes, LockTimeout = lockTimeout, VersionColumn = RowHistory.VersionColumn },
                journals: _journals);
            _mergers.Add((maxEnvBytes, lockTimeout), merger);
        }

        return merger;
    }

    private static async Task<Told> ToldAsync(Task<MergeResult> merging)
    {
        try
        {
            return Told.Of(await merging);
        }
#pragma warning disable CA1031 // Every failure is an answer, and to be explained.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return Told.Of(failure);
        }
    }
}
