using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Npgsql;
using StackEnv.Merge;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers <see cref="IStackEnvMerger"/> in a host.</summary>
public static class StackEnvMergeServiceCollectionExtensions
{
#pragma warning disable RS0027 // A lambda's parameters tell the overloads apart.

    /// <summary>
    /// Adds the merger as a singleton on the host's <see cref="NpgsqlDataSource"/>, which it never disposes, with every
    /// <see cref="IStackEnvMergeJournal"/> that is registered.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Sets the options; they are checked when the merger is first resolved.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">
    /// A merger was already added with this method, and <paramref name="configure"/> would be ignored.
    /// </exception>
    /// <remarks>
    /// <para>
    /// It does nothing if an <see cref="IStackEnvMerger"/> of the host's own is registered already, such as a fake in a test. Resolving the
    /// merger throws <see cref="InvalidOperationException"/> if no data source is registered, and <see cref="ArgumentException"/> for an
    /// option that is not valid. It logs to the host's loggers.
    /// </para>
    /// <para>
    /// Only <paramref name="configure"/> sets options: <c>services.Configure&lt;StackEnvMergeOptions&gt;</c> has no effect. To read them
    /// from the configuration, bind a section: <c>AddStackEnvMerge(configuration.GetSection("StackEnvMerge").Bind)</c>.
    /// </para>
    /// </remarks>
    public static IServiceCollection AddStackEnvMerge(this IServiceCollection services, Action<StackEnvMergeOptions>? configure = null) =>
        Add(services, configure is null ? null : (_, options) => configure(options));

    /// <summary>
    /// Adds the merger as <see cref="AddStackEnvMerge(IServiceCollection, Action{StackEnvMergeOptions}?)"/> does, with options that depend
    /// on the host's services.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">
    /// Sets the options from the host's services; they are checked when the merger is first resolved.
    /// </param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentNullException">An argument is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">
    /// A merger was already added with this method, and <paramref name="configure"/> would be ignored.
    /// </exception>
    public static IServiceCollection AddStackEnvMerge(
        this IServiceCollection services, Action<IServiceProvider, StackEnvMergeOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        return Add(services, configure);
    }

    /// <summary>
    /// Adds a merger under a key, on the <see cref="NpgsqlDataSource"/> and with the journals of the same key: one database for each region
    /// or shard.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="serviceKey">
    /// The key of both the data source and the merger. With <see cref="KeyedService.AnyKey"/>, each key that a merger is resolved by is the
    /// key of its data source.
    /// </param>
    /// <param name="configure">Sets the options; they are checked when the merger is first resolved.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="services"/> is <see langword="null"/>.</exception>
    /// <exception cref="InvalidOperationException">
    /// A merger was already added under this key, and <paramref name="configure"/> would be ignored.
    /// </exception>
    /// <remarks>
    /// It does nothing if an <see cref="IStackEnvMerger"/> of that key and of the host's own is registered already. Otherwise it works as
    /// <see cref="AddStackEnvMerge(IServiceCollection, Action{StackEnvMergeOptions}?)"/>.
    /// </remarks>
    public static IServiceCollection AddKeyedStackEnvMerge(
        this IServiceCollection services, object? serviceKey, Action<StackEnvMergeOptions>? configure = null) =>
        AddKeyed(services, serviceKey, configure is null ? null : (_, options) => configure(options));

    /// <summary>
    /// Adds a merger under a key as <see cref="AddKeyedStackEnvMerge(IServiceCollection, object?, Action{StackEnvMergeOptions}?)"/> does,
    /// with options that depend on the host's services.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="serviceKey">The key of both the data source and the merger.</param>
    /// <param name="configure">
    /// Sets the options from the host's services; they are checked when the merger is first resolved.
    /// </param>
    /// <returns>The same services.</returns>
    /// <exception cref="ArgumentNullException">
    /// <paramref name="services"/> or <paramref name="configure"/> is <see langword="null"/>.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// A merger was already added under this key, and <paramref name="configure"/> would be ignored.
    /// </exception>
    public static IServiceCollection AddKeyedStackEnvMerge(
        this IServiceCollection services, object? serviceKey, Action<IServiceProvider, StackEnvMergeOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        return AddKeyed(services, serviceKey, configure);
    }

#pragma warning restore RS0027

    private static IServiceCollection Add(IServiceCollection services, Action<IServiceProvider, StackEnvMergeOptions>? configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (configure is not null
            && services.Any(static service => !service.IsKeyedService && service.ImplementationFactory?.Target is Registration))
        {
            throw new InvalidOperationException(
                "AddStackEnvMerge was called before, so these options would be ignored. Call it once, or add the other merger under a " +
                "key with AddKeyedStackEnvMerge.");
        }

        services.TryAddSingleton<IStackEnvMerger>(new Registration(services, configure).Create);
        return services;
    }

    private static IServiceCollection AddKeyed(
        IServiceCollection services, object? serviceKey, Action<IServiceProvider, StackEnvMergeOptions>? configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (configure is not null && services.Any(service =>
            service.IsKeyedService && Equals(service.ServiceKey, serviceKey) && service.KeyedImplementationFactory?.Target is Registration))
        {
            throw new InvalidOperationException(
                $"AddKeyedStackEnvMerge was called before with the key '{serviceKey}', so these options would be ignored. Call it once " +
                "for each key.");
        }

        services.TryAddKeyedSingleton<IStackEnvMerger>(serviceKey, new Registration(services, configure).CreateKeyed);
        return services;
    }

    private sealed class Registration(IServiceCollection services, Action<IServiceProvider, StackEnvMergeOptions>? configure)
    {
        public StackEnvMerger Create(IServiceProvider provider) => Create(
            provider,
            provider.GetService<NpgsqlDataSource>() ?? throw new InvalidOperationException(
                "AddStackEnvMerge needs an NpgsqlDataSource. Register one: services.AddNpgsqlDataSource(connectionString), of the " +
                "package Npgsql.DependencyInjection."),
            provider.GetServices<IStackEnvMergeJournal>());

        public StackEnvMerger CreateKeyed(IServiceProvider provider, object? key)
        {
            // GetKeyedServices leaves these out.
            if (services.Any(static service =>
                service.ServiceType == typeof(IStackEnvMergeJournal) && Equals(service.ServiceKey, KeyedService.AnyKey)))
            {
                throw new InvalidOperationException(
                    "A journal is registered under KeyedService.AnyKey, and no merger would run it. Register it under the key of each " +
                    "merger.");
            }

            return Create(
                provider,
                provider.GetKeyedService<NpgsqlDataSource>(key) ?? throw new InvalidOperationException(
                    $"AddKeyedStackEnvMerge needs an NpgsqlDataSource of the key '{key}'. Register one: " +
                    "services.AddNpgsqlDataSource(connectionString, serviceKey: key), of the package Npgsql.DependencyInjection."),
                provider.GetKeyedServices<IStackEnvMergeJournal>(key));
        }

        private StackEnvMerger Create(
            IServiceProvider provider, NpgsqlDataSource dataSource, IEnumerable<IStackEnvMergeJournal> journals)
        {
            var options = new StackEnvMergeOptions();
            configure?.Invoke(provider, options);
            return new(dataSource, options, provider.GetService<ILogger<StackEnvMerger>>(), journals);
        }
    }
}
