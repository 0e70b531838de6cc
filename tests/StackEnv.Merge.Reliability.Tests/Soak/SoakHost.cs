using System.Globalization;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>What one process of a host would have: a data source, here behind a proxy of its own, and a merger.</summary>
internal sealed class SoakHost : IAsyncDisposable
{
    public const int PoolSize = 8;

    // Longer than any fault on one connection lasts, so that no merge that waits for its row has to give up.
    private static readonly TimeSpan LockTimeout = TimeSpan.FromSeconds(5);

    private readonly NpgsqlDataSource _dataSource;

    /// <param name="database">Where the stacks are.</param>
    /// <param name="number">The host's.</param>
    /// <param name="journals">What is committed with each merge.</param>
    public SoakHost(TestDatabase database, int number, params IStackEnvMergeJournal[] journals)
    {
        Name = string.Create(CultureInfo.InvariantCulture, $"{database.Schema} {number}");
        (Proxy, _dataSource) = WireProxy.InFrontOf(database.ConnectionString, settings =>
        {
            settings.ApplicationName = Name;
            settings.MaxPoolSize = PoolSize;
            // If a large enough pool has no connection, a fault of long ago is not the reason.
            settings.Timeout = 3;
            settings.MaxAutoPrepare = 20;
            settings.CancellationTimeout = 200;
        });
        HasJournal = journals.Length > 0;
        Merger = new(_dataSource, new() { LockTimeout = LockTimeout }, journals: journals);
    }

    /// <summary>How the server knows it: its <c>application_name</c>.</summary>
    public string Name { get; }

    public bool HasJournal { get; }

    public WireProxy Proxy { get; }

    public StackEnvMerger Merger { get; }

    public Task CloseConnectionsAsync() => _dataSource.DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        await _dataSource.DisposeAsync();
        await Proxy.DisposeAsync();
    }
}
