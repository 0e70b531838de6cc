using StackEnv.Samples.Api;

try
{
    var builder = ApiHost.CreateBuilder(args);
    await using var demo = await Demo.AddInDevelopmentAsync(builder);
    await using var app = ApiHost.Build(builder);
    await app.StartAsync();
    demo?.Greet(app.Urls.First());
    await app.WaitForShutdownAsync();
    return 0;
}
catch (Exception exception) when (exception is InvalidOperationException or IOException)
{
    // No database, no team, no port: each message explains what to do.
    await Console.Error.WriteLineAsync(exception.Message);
    return 1;
}
