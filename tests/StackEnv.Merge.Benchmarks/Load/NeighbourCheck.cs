using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>
/// How long the merges of one stack take while many others wait for a stack whose row is held, all of them in one small pool.
/// </summary>
internal static class NeighbourCheck
{
    public const int PoolSize = 20;
    public const int Waiting = 60;

    private static readonly Guid Neighbour = StacksDatabase.IdOf(1);
    private static readonly Guid Stuck = StacksDatabase.IdOf(0);
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(700);

    public static async Task<(Spread Alone, Spread BesideStuck)> RunAsync(StacksDatabase database, int rounds)
    {
        await database.FillAsync(new Scenario().TableRows);
        var settings = new NpgsqlConnectionStringBuilder(database.ConnectionStringWith(prepared: true, callers: 1))
        {
            MaxPoolSize = PoolSize,
        };
        await using var dataSource = NpgsqlDataSource.Create(settings.ConnectionString);
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromMinutes(1) });
        await P99Async(merger);
        var (alone, beside) = (new List<double>(), new List<double>());
        for (var round = 0; round < rounds; round++)
        {
            alone.Add(await P99Async(merger));
            await using var holder = await database.DataSource.OpenConnectionAsync();
            await using var transaction = await holder.BeginTransactionAsync();
            await using (var hold = new NpgsqlCommand("SELECT FROM stacks WHERE id = $1 FOR UPDATE", holder, transaction))
            {
                hold.Parameters.Add(new() { Value = Stuck });
                await hold.ExecuteNonQueryAsync();
            }

            var waiting = Enumerable.Range(0, Waiting).Select(number => merger.MergeAsync(Stuck, Change(number))).ToArray();
            beside.Add(await P99Async(merger));
            if (waiting.Any(static merge => merge.IsCompleted))
            {
                throw new WrongRowException("A merge into the stuck stack did not wait.");
            }

            await transaction.RollbackAsync();
            await Task.WhenAll(waiting);
        }

        return (Spread.Of(alone), Spread.Of(beside));
    }

    private static async Task<double> P99Async(StackEnvMerger merger)
    {
        var latencies = Slice.NewHistogram();
        var window = Stopwatch.StartNew();
        for (var merge = 0; window.Elapsed < Window; merge++)
        {
            var startedAt = Stopwatch.GetTimestamp();
            await merger.MergeAsync(Neighbour, Change(merge));
            latencies.RecordValue(Stopwatch.GetElapsedTime(startedAt).Ticks);
        }

        return Slice.MillisecondsAt(latencies, 99);
    }

    private static Dictionary<string, string?> Change(int number) =>
        new(StringComparer.Ordinal) { ["NEIGHBOUR"] = number.ToString(CultureInfo.InvariantCulture) };
}
