using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Npgsql;
using StackEnv.Merge;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers <see cref="IStackEnvMerger"/> in a host.</summary>
public static class StackEnvMergeServiceCollectionExtensions
{
    /// <summary>
    /// Adds the merger as a singleton on the host's <see cref="NpgsqlDataSource"/>, which it never disposes, with every
    /// <see cref="IStackEnvMergeJournal"/> that is registered.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Sets the options; they are checked when the merger is first resolved.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is <see langword="null"/>.</exception>
    /// <remarks>
    /// It does nothing if an <see cref="IStackEnvMerger"/> is registered already. Resolving the merger throws
    /// <see cref="InvalidOperationException"/> if no data source is registered, and <see cref="ArgumentException"/> for an option that is
    /// not valid. It logs to the host's loggers.
    /// </remarks>
    public static IServiceCollection AddStackEnvMerge(this IServiceCollection services, Action<StackEnvMergeOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton<IStackEnvMerger>(provider => Create(
            provider,
            provider.GetService<NpgsqlDataSource>() ?? throw new InvalidOperationException(
                "AddStackEnvMerge needs an NpgsqlDataSource. Register one: services.AddNpgsqlDataSource(connectionString), of the " +
                "package Npgsql.DependencyInjection."),
            provider.GetServices<IStackEnvMergeJournal>(),
            configure));
        return services;
    }

    /// <summary>
    /// Adds a merger under a key, on the <see cref="NpgsqlDataSource"/> and with the journals of the same key: one database for each region
    /// or shard.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="serviceKey">The key of both the data source and the merger.</param>
    /// <param name="configure">Sets the options; they are checked when the merger is first resolved.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is <see langword="null"/>.</exception>
    /// <remarks>
    /// It does nothing if an <see cref="IStackEnvMerger"/> of that key is registered already. Otherwise it works as
    /// <see cref="AddStackEnvMerge(IServiceCollection, Action{StackEnvMergeOptions}?)"/>.
    /// </remarks>
    public static IServiceCollection AddKeyedStackEnvMerge(
        this IServiceCollection services, object? serviceKey, Action<StackEnvMergeOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddKeyedSingleton<IStackEnvMerger>(serviceKey, (provider, key) => Create(
            provider,
            provider.GetKeyedService<NpgsqlDataSource>(key) ?? throw new InvalidOperationException(
                $"AddKeyedStackEnvMerge needs an NpgsqlDataSource of the key '{key}'. Register one: " +
                "services.AddNpgsqlDataSource(connectionString, serviceKey: key), of the package Npgsql.DependencyInjection."),
            provider.GetKeyedServices<IStackEnvMergeJournal>(key),
            configure));
        return services;
    }

    private static StackEnvMerger Create(
        IServiceProvider provider,
        NpgsqlDataSource dataSource,
        IEnumerable<IStackEnvMergeJournal> journals,
        Action<StackEnvMergeOptions>? configure)
    {
        var options = new StackEnvMergeOptions();
        configure?.Invoke(options);
        return new(dataSource, options, provider.GetService<ILogger<StackEnvMerger>>(), journals);
    }
}
