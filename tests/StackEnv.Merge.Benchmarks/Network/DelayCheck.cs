using System.Diagnostics;
using Npgsql;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Network;

/// <summary>Measures the proxy itself, by the shortest round trip that the protocol has.</summary>
internal static class DelayCheck
{
    /// <summary>The median round trip, in milliseconds, without a proxy and through one with each of these delays.</summary>
    public static async Task<(double Direct, IReadOnlyList<(double Wanted, double RoundTrip)> ThroughProxy)> RunAsync(
        StacksDatabase database, IReadOnlyList<double> delays, int times)
    {
        var connectionString = database.ConnectionStringWith(prepared: false, callers: 1);
        var direct = await RoundTripAsync(connectionString, times);
        var throughProxy = new List<(double Wanted, double RoundTrip)>();
        foreach (var delay in delays)
        {
            using var proxy = DelayProxy.InFrontOf(connectionString, TimeSpan.FromMilliseconds(delay));
            throughProxy.Add((delay, await RoundTripAsync(proxy.Reroute(connectionString), times)));
        }

        return (direct, throughProxy);
    }

    private static async Task<double> RoundTripAsync(string connectionString, int times)
    {
        await using var dataSource = NpgsqlDataSource.Create(connectionString);
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("SELECT", connection);
        var latencies = Slice.NewHistogram();
        for (var time = 0; time < times; time++)
        {
            var startedAt = Stopwatch.GetTimestamp();
            await command.ExecuteNonQueryAsync();
            latencies.RecordValue(Stopwatch.GetElapsedTime(startedAt).Ticks);
        }

        return Slice.MillisecondsAt(latencies, 50);
    }
}
