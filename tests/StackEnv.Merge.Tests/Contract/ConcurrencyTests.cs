namespace StackEnv.Merge.Tests;

/// <summary>Merges of one stack take their turns, and none loses a key.</summary>
public sealed class ConcurrencyTests : DatabaseTest
{
    [Theory]
    [InlineData(16)]
    [InlineData(200)]
    public async Task Concurrent_merges_of_disjoint_keys_all_arrive(int merges)
    {
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        var merger = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromSeconds(60));

        var results = await Task.WhenAll(Enumerable.Range(0, merges).Select(number =>
            merger.MergeAsync(id, Changes(($"A_{number}", "a"), ($"B_{number}", "b"), ("OLD", null)))));

        var keys = await Database.ScalarAsync<long>("SELECT count(*) FROM stacks, jsonb_object_keys(env_vars) WHERE id = $1", id);
        Assert.Equal(2 * merges, keys);
        Assert.Equal(2 * merges, results.Sum(static result => result.KeysSet));
        Assert.Equal(1, results.Sum(static result => result.KeysDeleted));

        // Each merge saw the previous one: the totals are 2, 4, 6 …
        Assert.Equal(
            Enumerable.Range(1, merges).Select(static turn => 2 * turn), results.Select(static result => result.TotalAfter).Order());
    }

    [Fact]
    public async Task Merges_and_writers_that_write_in_one_statement_lose_no_key_of_each_other()
    {
        const int Merges = 200;
        const int Writers = 8;
        const int WritesOfEach = 25;
        var id = await Database.InsertAsync("""{"OLD": "o", "KEPT": "k"}""");
        var merger = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromSeconds(60));
        Task[] writing;
        Task<MergeResult>[] merging;
        await using (await Database.LockAsync(id))
        {
            merging =
            [
                .. Enumerable.Range(0, Merges)
                    .Select(number => merger.MergeAsync(id, Changes(($"MERGED_{number}", "m"), ("OLD", null)))),
            ];
            writing = [.. Enumerable.Range(0, Writers).Select(WriteAsync)];
            await Database.WaitersAsync(4);
        }

        var results = await Task.WhenAll(merging);
        await Task.WhenAll(writing);

        var expected = Enumerable.Range(0, Merges).Select(static number => $"MERGED_{number}")
            .Concat(Enumerable.Range(0, Writers * WritesOfEach).Select(static number => $"WRITTEN_{number}"))
            .Append("KEPT");
        Assert.Equal(
            expected.Order(StringComparer.Ordinal), EnvText.Parse((await Database.EnvAsync(id))!).Keys.Order(StringComparer.Ordinal));
        Assert.Equal((Merges, 1), (results.Sum(static result => result.KeysSet), results.Sum(static result => result.KeysDeleted)));

        async Task WriteAsync(int writer)
        {
            for (var number = writer * WritesOfEach; number < (writer + 1) * WritesOfEach; number++)
            {
                await Database.ExecuteAsync(
                    "UPDATE stacks SET env_vars = env_vars || $2::text::jsonb WHERE id = $1", id, $$"""{"WRITTEN_{{number}}": "w"}""");
            }
        }
    }

    [Fact]
    public async Task Of_concurrent_merges_that_want_the_same_change_only_one_writes()
    {
        var id = await Database.InsertAsync("""{"OLD": "o"}""");

        var results = await Task.WhenAll(
            Enumerable.Range(0, 16).Select(_ => Database.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", "")))));

        Assert.Single(results, static result => result.Changed);
        Assert.Equal(1, results.Sum(static result => result.KeysDeleted));
    }

    [Fact]
    public async Task In_a_queue_the_time_of_the_writes_never_runs_backwards()
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync(
            "CREATE TABLE history (version bigserial, at timestamptz); " +
            Trigger.On("INSERT INTO history (at) VALUES (NEW.updated_at)", "AFTER UPDATE"));
        var holder = await Database.LockAsync(id);
        var merger = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromSeconds(60));

        var merging = Enumerable.Range(0, 100).Select(number => merger.MergeAsync(id, Changes(($"K_{number}", "1")))).ToArray();
        await Database.WaitersAsync(5);
        await holder.DisposeAsync();
        await Task.WhenAll(merging);

        Assert.Equal(100, await Database.ScalarAsync<long>("SELECT count(*) FROM history"));
        Assert.Equal(0, await Database.ScalarAsync<long>(
            "SELECT count(*) FROM (SELECT at < lag(at) OVER (ORDER BY version) AS back FROM history) AS steps WHERE back"));
    }

    [Fact]
    public async Task A_held_stack_does_not_hold_up_another()
    {
        var held = await Database.InsertAsync();
        var free = await Database.InsertAsync();
        await using var holder = await Database.LockAsync(held);

        Assert.True((await Database.Merger.MergeAsync(free, Changes(("A", "1")))).Changed);
    }
}
