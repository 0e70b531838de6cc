using System.Globalization;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Load;
using StackEnv.Samples.Postgres;

await using var server = await PostgresServer.FindOrStartAsync();
await using var database = await StacksDatabase.CreateAsync(server);
var effort = new Effort(Rounds: args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 25, Turns: 12, Window: TimeSpan.FromMilliseconds(int.Parse(Environment.GetEnvironmentVariable("W") ?? "6", CultureInfo.InvariantCulture)), WarmUp: TimeSpan.FromMilliseconds(1), FirstWarmUp: TimeSpan.FromSeconds(1.5));
var contestants = args.Length > 1 ? Contestant.All.Where(contestant => args.Skip(1).Contains(contestant.Name)).ToList() : [Contestant.Library, Contestant.Bare];
foreach (var prepared in new[] { true, false })
{
    var scenario = new Scenario { Prepared = prepared, DelayMilliseconds = double.Parse(Environment.GetEnvironmentVariable("D") ?? "0", CultureInfo.InvariantCulture), Callers = int.Parse(Environment.GetEnvironmentVariable("C") ?? "1", CultureInfo.InvariantCulture), Hot = Environment.GetEnvironmentVariable("H") is not null };
    var result = await new Contest(database, scenario, contestants, effort).RunAsync(static _ => { });
    Console.WriteLine(scenario);
    foreach (var contestant in contestants)
    {
        var ratio = result.Ratio("library", contestant.Name);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  library / {contestant.Name,-8} {ratio.Median:F3} ({ratio.Low:F3} to {ratio.High:F3}); {result.MergesPerSecond(contestant.Name).Median,8:N0} merges/s, median {result.Figure(contestant.Name, static slice => slice.MedianMilliseconds).Median:F4} ms, {result.Figure(contestant.Name, static slice => slice.AllocatedBytes!.Value).Median,7:N0} bytes, server CPU {result.Figure(contestant.Name, static slice => slice.ServerCpuMicroseconds ?? 0).Median:F1} µs"));
    }
}
