using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Worker;

internal static class WorkerServices
{
    private const string Claims = "claims";
    public static void AddEnvChangeWorker(this IHostApplicationBuilder builder)
    {
        var connectionString = builder.Configuration.GetConnectionString("Database")!;
        var options = builder.Configuration.GetSection("Worker").Get<WorkerOptions>() ?? new();
        var claims = new NpgsqlConnectionStringBuilder(connectionString)
        {
            MinPoolSize = 0,
            MaxPoolSize = options.Concurrency + 1, // one for each consumer, and one that listens
            KeepAlive = 30, // otherwise a connection that only listens would not notice that the other end is gone
        };

        var services = builder.Services;
        services.AddNpgsqlDataSource(connectionString);
        services.AddNpgsqlDataSource(claims.ConnectionString, serviceKey: Claims);
        services.AddSingleton<Receipts>().AddSingleton<IStackEnvMergeJournal>(static provider => provider.GetRequiredService<Receipts>());
        services.AddStackEnvMerge(merge => merge.LockTimeout = options.LockTimeout);

        services.AddSingleton(options).AddSingleton<Retries>();
        services.AddSingleton(provider => new ChangeQueue(provider.GetRequiredKeyedService<NpgsqlDataSource>(Claims), options));
        services.AddSingleton(static provider =>
            new QueueSignal(provider.GetRequiredKeyedService<NpgsqlDataSource>(Claims), provider.GetRequiredService<Retries>()));
        services.AddHostedService<QueueTables>();
        services.AddHostedService(static provider => provider.GetRequiredService<QueueSignal>());
        services.AddHostedService<ChangeWorker>();
    }
}
