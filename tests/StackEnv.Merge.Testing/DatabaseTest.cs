namespace StackEnv.Merge.Testing;

/// <summary>A test with a schema of its own.</summary>
public abstract class DatabaseTest : IAsyncLifetime
{
    protected TestDatabase Database { get; private set; } = null!;

    public async Task InitializeAsync() => Database = await TestDatabase.CreateAsync();

    public async Task DisposeAsync() => await Database.DisposeAsync();

    /// <summary>
    /// A merger on this schema through a proxy of its own; the merge of this stack that opens its connection changes nothing.
    /// </summary>
    protected Task<ProxiedMerger> ProxiedAsync(StackRef stack, TimeSpan? lockTimeout = null, bool withJournal = false) =>
        ProxiedMerger.CreateAsync(Database.ConnectionString, stack, lockTimeout, journals: withJournal ? [Journal.Silent] : []);

    protected static Dictionary<string, string?> Changes(params (string Key, string? Value)[] changes) =>
        changes.ToDictionary(static change => change.Key, static change => change.Value, StringComparer.Ordinal);
}
