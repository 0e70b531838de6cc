using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackEnv.Samples.Worker;

var builder = Host.CreateApplicationBuilder(args);
builder.Logging.ClearProviders()
    .AddSimpleConsole(static console => (console.SingleLine, console.TimestampFormat) = (true, "HH:mm:ss.fff "))
    .AddFilter("StackEnv.Merge", LogLevel.None).AddFilter("Npgsql", LogLevel.None); // the worker's own lines contain what they would say

try
{
    await using var demo = await Demo.StartUnlessConfiguredAsync(builder);
    builder.AddEnvChangeWorker();
    demo?.AddTo(builder); // after the queue's tables
    using (var worker = builder.Build())
    {
        await worker.RunAsync();
    }

    await (demo?.ShowSummaryAsync() ?? Task.CompletedTask);
    return 0;
}
catch (OperationCanceledException)
{
    return 0; // stopped while it was starting: the database did not answer yet
}
catch (InvalidOperationException exception)
{
    await Console.Error.WriteLineAsync(exception.Message);
    return 1;
}
