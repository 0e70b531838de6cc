using System.Text.Json;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Network;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>
/// Counts what a merge of two changes into a set of 20 keys takes: one caller, one merge after the other, nothing else in the process.
/// </summary>
internal sealed class Dissection(StacksDatabase database, int merges)
{
    private const int MergesThroughProxy = 50;

    // What else the runtime allocates (it compiles, it grows a pool) falls into few of them.
    private const int Batches = 10;

    private const int WarmUps = 8;

    private readonly Scenario _scenario = new();

    /// <summary>What it takes to hand out the set: a dictionary with all its keys and values, and nothing else.</summary>
    public double DictionaryBytes()
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(new ScenarioRows(_scenario).InitialSetOf(0));
        return BytesOf(() => _ = ReadDictionary(json));
    }

    public async Task<IReadOnlyList<Anatomy>> RunAsync(IReadOnlyList<Contestant> contestants, Action<double> progress)
    {
        await database.FillAsync(_scenario.TableRows);
        var anatomies = new List<Anatomy>();
        foreach (var prepared in new[] { true, false })
        {
            foreach (var contestant in contestants)
            {
                var connectionString = database.ConnectionStringWith(prepared, _scenario.Callers);
                var (_, bytes) = await MergeAsync(contestant, connectionString, merges, static () => 0);
                using var proxy = DelayProxy.InFrontOf(database.ConnectionString, TimeSpan.Zero);
                var (roundTrips, _) = await MergeAsync(
                    contestant, proxy.Reroute(connectionString), MergesThroughProxy, () => proxy.RoundTrips);
                anatomies.Add(new(contestant.Name, prepared, roundTrips, bytes));
                progress(0.5 / contestants.Count);
            }
        }

        return anatomies;
    }

    private async Task<(double RoundTrips, double Bytes)> MergeAsync(
        Contestant contestant, string connectionString, int times, Func<long> roundTrips)
    {
        var rows = new ScenarioRows(_scenario);
        var callers = await rows.ResetAsync(database);
        await using var merger = contestant.Create(connectionString);
        await WarmUpAsync(merger, callers[0], times);
        var roundTripsBefore = roundTrips();
        var bytes = new List<double>();
        for (var batch = 0; batch < Batches; batch++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            await MergeAsync(merger, callers[0], times / Batches);
            bytes.Add((double)(GC.GetTotalAllocatedBytes(precise: true) - before) / (times / Batches));
        }

        var roundTripsOfAMerge = (double)(roundTrips() - roundTripsBefore) / times;
        await rows.VerifyAsync(database, callers);
        return (roundTripsOfAMerge, Spread.Of(bytes).Median);
    }

    // Code that is not optimized yet allocates more, and the runtime optimizes only when it has compiled nothing new for a moment.
    private static async Task WarmUpAsync(IContestant merger, Caller caller, int times)
    {
        for (var part = 0; part < WarmUps; part++)
        {
            await MergeAsync(merger, caller, times / WarmUps);
            await Task.Delay(TimeSpan.FromMilliseconds(120));
        }
    }

    private static async Task MergeAsync(IContestant merger, Caller caller, int times)
    {
        for (var merge = 0; merge < times; merge++)
        {
            caller.Merged(await merger.MergeAsync(caller.NextRow, caller.NextChanges()));
        }
    }

    private double BytesOf(Action action)
    {
        action();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var time = 0; time < merges; time++)
        {
            action();
        }

        return (double)(GC.GetAllocatedBytesForCurrentThread() - before) / merges;
    }

    private static Dictionary<string, string> ReadDictionary(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        var properties = 0;
        while (reader.Read())
        {
            properties += reader.TokenType == JsonTokenType.PropertyName ? 1 : 0;
        }

        var dictionary = new Dictionary<string, string>(properties, StringComparer.Ordinal);
        reader = new(json);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
            {
                continue;
            }

            var key = reader.GetString()!;
            reader.Read();
            dictionary.Add(key, reader.GetString()!);
        }

        return dictionary;
    }
}
