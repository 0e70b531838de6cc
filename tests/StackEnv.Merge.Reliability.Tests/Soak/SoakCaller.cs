using System.Globalization;

namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>
/// Merges without a pause, each time a higher number under a key of its own into one of the stacks, and compares each outcome with
/// the database.
/// </summary>
internal sealed class SoakCaller(int number, SoakHost host, IReadOnlyList<Guid> stacks, SoakLedger ledger, SoakDatabase database)
{
    private readonly string _key = string.Create(CultureInfo.InvariantCulture, $"CALLER_{number}");
    private readonly Dictionary<Guid, long> _committed = [];
    private readonly Dictionary<Guid, List<long>> _unknown = [];
    private readonly List<long> _notCommitted = [];
    private volatile CancellationTokenSource? _current;

    public SoakHost Host => host;

    public long Merges { get; private set; }

    /// <summary>Gives up the merge that is being made, if there is one.</summary>
    public async Task CancelAsync()
    {
        if (_current is { } current)
        {
            await current.CancelAsync();
        }
    }

    public async Task RunAsync(Random random, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var stack = stacks[random.Next(stacks.Count)];
            await MergeAsync(stack, random);
        }
    }

    /// <summary>Compares all that was told with what the database holds in the end.</summary>
    public async Task CheckAsync()
    {
        foreach (var stack in stacks)
        {
            var stored = await StoredAsync(stack);
            Assert.True(
                stored == _committed.GetValueOrDefault(stack) || _unknown.GetValueOrDefault(stack, []).Contains(stored),
                $"{_key} of stack {stack} is {stored}, and the last that was told committed is {_committed.GetValueOrDefault(stack)}.");
        }

        if (host.HasJournal)
        {
            var unknown = _unknown.Values.SelectMany(static numbers => numbers).ToArray();
            Assert.Equal(Merges - _notCommitted.Count - unknown.Length, await database.ScalarAsync<long>(
                "SELECT count(*) FROM calls WHERE caller = $1 AND number <> ALL ($2)", number, unknown));
            Assert.Equal(0, await database.ScalarAsync<long>(
                "SELECT count(*) FROM calls WHERE caller = $1 AND number = ANY ($2)", number, _notCommitted.ToArray()));
        }
    }

    private async Task MergeAsync(Guid stack, Random random)
    {
        var call = new SoakCall(number, ++Merges);
        var value = call.Number.ToString(CultureInfo.InvariantCulture);
        var changes = new Dictionary<string, string?>
        {
            [_key] = value,
            [$"SHARED_{random.Next(20)}"] = random.Next(2) == 0 ? "" : value,
        };
        var begunAt = ledger.Now;
        using var current = new CancellationTokenSource();
        _current = current;
        Exception failure;
        try
        {
            call.Begin();
            var result = await host.Merger.MergeAsync(stack, changes, current.Token);
            Assert.Equal(value, result.Env[_key]);
            _committed[stack] = call.Number;
            return;
        }
        catch (Exception refused) when (
            refused is StackEnvStoreException or LockTimeoutException or MergeOutcomeUnknownException or OperationCanceledException)
        {
            failure = refused;
        }
        finally
        {
            _current = null;
        }

        ledger.NoteFailure(host, begunAt, failure);
        if (failure is MergeOutcomeUnknownException)
        {
            if (!_unknown.TryGetValue(stack, out var numbers))
            {
                _unknown.Add(stack, numbers = []);
            }

            numbers.Add(call.Number);
            return;
        }

        _notCommitted.Add(call.Number);
        Assert.NotEqual(call.Number, await StoredAsync(stack));
    }

    private async Task<long> StoredAsync(Guid stack) =>
        await database.ScalarAsync<long>("SELECT coalesce(env_vars ->> $2, '0')::bigint FROM stacks WHERE id = $1", stack, _key);
}
