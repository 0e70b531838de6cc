using System.Diagnostics;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>Measures how long merges wait for what another session holds.</summary>
[Collection(WaitsAlone.Name)]
public abstract class WaitTest(ITestOutputHelper output, WaitFigures figures) : DatabaseTest
{
    private const int Attempts = 3;

    protected static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(0.5);

    private protected static StackEnvMergeOptions OptionsWith(TimeSpan lockTimeout) => new() { LockTimeout = lockTimeout };

    /// <summary>
    /// No wait of the situation may be longer than the limit (or so many of them) and half a second, and none may end with another failure
    /// than a lock time-out.
    /// </summary>
    private protected async Task InTimeAsync(string situation, Func<Task<IReadOnlyList<Wait>>> attempt, int limits = 1)
    {
        var campaign = Campaign.Start(output, "waits", shortForm: 1, fullForm: 10);
        campaign.Report(
            $"LockTimeout is {Limit.TotalMilliseconds} ms; no merge may wait more than {Tolerance.TotalMilliseconds} ms longer.");
        var waits = new List<Wait>();
        var late = new List<string>();
        foreach (var _ in campaign.Numbers)
        {
            waits.AddRange(await FirstInTimeAsync());
        }

        figures.Add(campaign, situation, waits, late);

        // A busy machine may make some attempts late; a wait that is not bounded is late each time.
        async Task<IReadOnlyList<Wait>> FirstInTimeAsync()
        {
            for (var attempts = 1; ; attempts++)
            {
                using var heartbeat = new Heartbeat();
                var seen = await attempt();
                Assert.All(seen, static wait => Assert.True(wait.Failure is null or LockTimeoutException, $"{wait.Failure}"));
                Assert.All(seen, static wait => Assert.False(
                    wait.Failure is not null && wait.Elapsed < Limit, $"It gave up after {wait.Elapsed}."));
                var longest = seen.Max(static wait => wait.Elapsed);
                if (longest <= (limits * Limit) + Tolerance)
                {
                    return seen;
                }

                late.Add(
                    $"{longest.TotalMilliseconds:F0} ms, the process stood still for {heartbeat.LongestStall.TotalMilliseconds:F0} ms");
                Assert.True(
                    attempts < Attempts,
                    $"{situation}: the limit is {Limit.TotalMilliseconds} ms, and each of {attempts} attempts was late: " +
                    $"{string.Join("; ", late.TakeLast(attempts))}.");
            }
        }
    }

    private protected void Report(string situation, IReadOnlyCollection<Wait> waits) =>
        figures.Add(Campaign.Start(output, "waits", shortForm: 1, fullForm: 10), situation, waits, late: []);

    private protected static async Task<IReadOnlyList<Wait>> MergeAtOnceAsync(
        StackEnvMerger merger, Guid id, int merges, CancellationToken cancellationToken = default) =>
        await Task.WhenAll(Enumerable.Range(0, merges).Select(_ => MergeAsync(merger, id, cancellationToken)));

    private protected static async Task<Wait> MergeAsync(StackEnvMerger merger, Guid id, CancellationToken cancellationToken = default)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            await merger.MergeAsync(id, Changes(("A", "2")), cancellationToken);
            return new(watch.Elapsed, Failure: null);
        }
        catch (Exception failure) when (failure is StackEnvMergeException or OperationCanceledException)
        {
            return new(watch.Elapsed, failure);
        }
    }

    /// <summary>Opens connections beforehand: one that is still being opened would count as waiting for the row.</summary>
    private protected static async Task WarmUpAsync(NpgsqlDataSource dataSource, int connections)
    {
        var opened = await Task.WhenAll(Enumerable.Range(0, connections).Select(async _ => await dataSource.OpenConnectionAsync()));
        foreach (var connection in opened)
        {
            await connection.DisposeAsync();
        }
    }

    /// <summary>How many sessions of this schema wait for any lock.</summary>
    private protected Task<long> WaitersAsync() => Database.ScalarAsync<long>(
        "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND application_name = $1", Database.Schema);

    /// <summary>How many sessions of this schema are in a transaction, this one not counted.</summary>
    private protected Task<long> InTransactionAsync() => Database.ScalarAsync<long>(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
        Database.Schema);
}
