using System.Collections.Concurrent;

namespace StackEnv.Samples.Api.Load;

/// <summary>A stack, and what its callers were told of it.</summary>
internal sealed class LoadedStack(string slug)
{
    private readonly ConcurrentDictionary<string, byte> _uncertain = new(StringComparer.Ordinal);
    private long _keysSet;
    private long _keysDeleted;

    public string Slug => slug;

    /// <summary>What each key holds by the last answer to its one writer; null where it was deleted.</summary>
    public ConcurrentDictionary<string, string?> Told { get; } = new(StringComparer.Ordinal);

    public long KeysSet => _keysSet;

    public long KeysDeleted => _keysDeleted;

    public bool HasUncertain => !_uncertain.IsEmpty;

    public ConcurrentBag<string> Violations { get; } = [];

    /// <summary>The teardown was asked for.</summary>
    public volatile bool IsBeingTornDown;

    /// <summary>The teardown was answered.</summary>
    public volatile bool IsTornDown;

    public bool IsUncertain(string key) => _uncertain.ContainsKey(key);

    public void Accepted(string key, string? value, int keysSet, int keysDeleted)
    {
        Told[key] = value;
        _uncertain.TryRemove(key, out _);
        Interlocked.Add(ref _keysSet, keysSet);
        Interlocked.Add(ref _keysDeleted, keysDeleted);
    }

    public void Uncertain(string key) => _uncertain[key] = 0;
}
