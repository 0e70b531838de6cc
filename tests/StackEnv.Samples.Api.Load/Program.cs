using System.Globalization;
using StackEnv.LocalPostgres;
using StackEnv.Samples.Api;
using StackEnv.Samples.Api.Load;

// dotnet run --project tests/StackEnv.Samples.Api.Load -c Release -- [seconds] [connections] [stacks]
int Argument(int index, int otherwise) => args.Length > index ? int.Parse(args[index], CultureInfo.InvariantCulture) : otherwise;
var duration = TimeSpan.FromSeconds(Argument(0, 20));
var connections = Argument(1, 64);
var stacks = Argument(2, 50);

await using var database = await DemoDatabase.StartAsync("stackenv_load", Demo.Script);
await using var app = ApiHost.Build(ApiHost.CreateBuilder(
[
    "--environment=Development", "--urls=http://127.0.0.1:0", "--Logging:LogLevel:Default=Error",
    $"--ConnectionStrings:Database={database.ConnectionString};Max Auto Prepare=20",
]));
await app.StartAsync();

Console.WriteLine(
    $"{connections} connections on {stacks} stacks for {duration.TotalSeconds} s, one stack after the other torn down and replaced. " +
    $"PostgreSQL: {database.Origin}");
using var callers = new Callers(new Uri(app.Urls.Single()), "acme-dev-token", connections, stacks, database.DataSource);
await callers.RunAsync(duration);
var violations = await Truth.CheckAsync(database.ConnectionString, callers.Stacks);
callers.Report.Print(violations);
return violations.Count == 0 && callers.Report.ServerErrors == 0 ? 0 : 1;
