using System.Collections.Concurrent;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests;

/// <summary>A teardown at a random moment, in the middle of merges: once it has committed, no merge changes the row.</summary>
public sealed class TeardownRaceTests(ITestOutputHelper output) : DatabaseTest
{
    private const int Callers = 4;
    private const int RoundsAtOnce = 3;
    private const string Committed = "merges committed before the teardown";
    private const string RefusedUnderWay = "merges under way at the teardown's commit and refused";
    private const string RefusedAfter = "merges called after the teardown's commit and refused";

    private const string ChangedAfter = "rows changed after the teardown's commit";
    private const string Lost = "keys lost of merges that were committed";

    private readonly Tally _tally = new();
    private readonly ConcurrentQueue<(string What, int Run)> _violations = [];

    [Fact]
    public async Task Once_a_teardown_has_committed_the_row_stays_as_it_is_and_every_later_merge_is_refused()
    {
        var campaign = Campaign.Start(output, "teardown-race", shortForm: 300, fullForm: 10_000);
        var inOneBatch = Database.Merger;
        var withJournal = Database.MergerWith(Journal.Silent);

        await Parallel.ForEachAsync(campaign.Numbers, new ParallelOptions { MaxDegreeOfParallelism = RoundsAtOnce }, async (run, _) =>
        {
            try
            {
                var random = campaign.RandomOf(run);
                await RunAsync(random.Next(2) == 0 ? inOneBatch : withJournal, random, run);
            }
            catch (Exception failure)
            {
                throw new InvalidOperationException($"Round {run}: {failure.Message} {campaign.Replay(run)}", failure);
            }
        });

        campaign.ReportTable(
            ["what", "count"],
            [
                .. _tally.Rows,
                .. ((string[])[ChangedAfter, Lost]).Select(
                    what => (object[])[what, _violations.Count(violation => violation.What == what)]),
            ]);
        Assert.True(
            _violations.IsEmpty, string.Join('\n', _violations.Take(5).Select(found => $"{found.What}. {campaign.Replay(found.Run)}")));
        Assert.All([Committed, RefusedUnderWay, RefusedAfter], what => Assert.NotEqual(0, _tally[what]));
    }

    private async Task RunAsync(StackEnvMerger merger, Random random, int run)
    {
        var id = await Database.InsertAsync();
        var tornDown = new TaskCompletionSource();
        var merging =
            Enumerable.Range(0, Callers).Select(caller => MergeUntilRefusedAsync(merger, id, $"CALLER_{caller}", tornDown.Task)).ToArray();

        var (wait, holdsFirst, hold) = (random.Next(8), random.Next(2) == 0, random.Next(4));
        await Task.Delay(wait);
        var left = holdsFirst ? await HoldAndTearDownAsync(id, hold) : await TearDownAsync(id);
        tornDown.SetResult();
        var last = await Task.WhenAll(merging);

        if (left != await Database.FootprintAsync(id))
        {
            _violations.Enqueue((ChangedAfter, run));
        }

        foreach (var (key, value) in last)
        {
            var stored = await Database.ScalarAsync<string>("SELECT env_vars ->> $2 FROM stacks WHERE id = $1", id, key);
            if (stored != (value == 0 ? null : $"{value}"))
            {
                _violations.Enqueue((Lost, run));
            }
        }
    }

    // Answers with the last value that it was told is committed.
    private async Task<(string Key, int Value)> MergeUntilRefusedAsync(StackEnvMerger merger, Guid id, string key, Task tornDown)
    {
        var committed = 0;
        for (var value = 1; ; value++)
        {
            var calledAfter = tornDown.IsCompleted;
            try
            {
                await merger.MergeAsync(id, Changes((key, $"{value}")));
                Assert.False(calledAfter, "A merge that was called after the teardown's commit succeeded.");
                committed = value;
                _tally.Count(Committed);
            }
            catch (StackDeletingException refused)
            {
                Assert.Equal("deleting", refused.Status);
                _tally.Count(calledAfter ? RefusedAfter : RefusedUnderWay);
                if (calledAfter)
                {
                    return (key, committed);
                }
            }
        }
    }

    private async Task<string> TearDownAsync(Guid id)
    {
        _tally.Count("rounds with a teardown in one statement");
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        return await SetDeletingAsync(connection, id);
    }

    private async Task<string> HoldAndTearDownAsync(Guid id, int milliseconds)
    {
        _tally.Count("rounds with a teardown that locks the row, waits and then writes");
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (
            var command =
                new NpgsqlCommand("SELECT FROM stacks WHERE id = $1 FOR UPDATE", connection) { Parameters = { new() { Value = id } } })
        {
            await command.ExecuteNonQueryAsync();
        }

        await Task.Delay(milliseconds);
        var left = await SetDeletingAsync(connection, id);
        await transaction.CommitAsync();
        return left;
    }

    // What is returned is the row as this statement left it, so that no moment goes unwatched.
    private static async Task<string> SetDeletingAsync(NpgsqlConnection connection, Guid id)
    {
        await using var command = new NpgsqlCommand(
            "UPDATE stacks SET status = 'deleting' WHERE id = $1 RETURNING concat_ws(' ', ctid, xmin, status, env_vars, updated_at)",
            connection)
        {
            Parameters = { new() { Value = id } },
        };
        return (string)(await command.ExecuteScalarAsync())!;
    }
}
