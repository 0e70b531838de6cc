using Npgsql;

namespace StackEnv.Merge.Testing;

/// <summary>A merger whose connections go through a proxy of its own, with a pool of one connection that is open already.</summary>
public sealed class ProxiedMerger : IAsyncDisposable
{
    private ProxiedMerger(WireProxy proxy, NpgsqlDataSource dataSource, StackEnvMerger merger)
    {
        Proxy = proxy;
        DataSource = dataSource;
        Merger = merger;
    }

    public WireProxy Proxy { get; }

    public NpgsqlDataSource DataSource { get; }

    public StackEnvMerger Merger { get; }

    /// <param name="connectionString">The server behind the proxy.</param>
    /// <param name="stack">A stack for the merge that opens the connection; it changes nothing.</param>
    /// <param name="lockTimeout">The merger's; 5 seconds more is its limit for a server that is silent.</param>
    /// <param name="configure">Changes the settings of its data source.</param>
    /// <param name="journals">The merger's.</param>
    public static async Task<ProxiedMerger> CreateAsync(
        string connectionString,
        StackRef stack,
        TimeSpan? lockTimeout = null,
        Action<NpgsqlConnectionStringBuilder>? configure = null,
        params IStackEnvMergeJournal[] journals)
    {
        var (proxy, dataSource) = WireProxy.InFrontOf(connectionString, settings =>
        {
            settings.MaxPoolSize = 1;

            // As with a pooler; and so a merge is one batch, without a reset ahead of it that the server answers by itself.
            settings.NoResetOnClose = true;
            settings.CancellationTimeout = 500;
            configure?.Invoke(settings);
        });
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = lockTimeout ?? TimeSpan.FromSeconds(3) }, journals: journals);
        await merger.MergeAsync(stack, new Dictionary<string, string?>());
        return new(proxy, dataSource, merger);
    }

    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        await Proxy.DisposeAsync();
    }
}
