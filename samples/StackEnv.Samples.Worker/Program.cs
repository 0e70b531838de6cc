using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackEnv.LocalPostgres;
using StackEnv.Samples.Worker;

var builder = Host.CreateApplicationBuilder(args);
builder.Logging.ClearProviders()
    .AddSimpleConsole(static console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss.fff "));

// The worker's own lines say what became of a request; the library's and the driver's would only say it again.
builder.Logging.AddFilter("StackEnv.Merge", LogLevel.None).AddFilter("Npgsql", LogLevel.None);

try
{
    if (builder.Configuration.GetConnectionString("Database") is { Length: > 0 } connectionString)
    {
        builder.AddEnvChangeWorker(connectionString);
        await RunAsync();
        return 0;
    }

    await using var server = await PostgresServer.FindOrStartAsync();
    await using var demo = await Demo.CreateAsync(server);
    builder.AddEnvChangeWorker(demo.ConnectionString);
    builder.Services.AddHostedService(_ => new DemoTraffic(demo.Database));
    await RunAsync();
    await demo.ShowSummaryAsync();
    return 0;
}
catch (InvalidOperationException exception)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return 1;
}

async Task RunAsync()
{
    using var worker = builder.Build();
    try
    {
        await worker.RunAsync();
    }
    catch (OperationCanceledException)
    {
        // Stopped while it was starting: the database did not answer yet.
    }
}
