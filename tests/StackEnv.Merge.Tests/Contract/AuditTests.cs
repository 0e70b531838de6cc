namespace StackEnv.Merge.Tests;

/// <summary>The row and its audit rows under load.</summary>
public sealed class AuditTests : DatabaseTest, IAsyncLifetime
{
    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        await Journal.CreateAuditAsync(Database);
    }

    [Fact]
    public async Task Audit_rows_add_up_to_the_results_and_replay_to_the_stored_state()
    {
        const int Stacks = 20;
        const int Merges = 5_000;
        var ids = await Task.WhenAll(Enumerable.Range(0, Stacks).Select(_ => Database.InsertAsync()));
        var merger = new StackEnvMerger(Database.DataSource, new() { LockTimeout = TimeSpan.FromSeconds(60) }, journals: [Journal.Audit]);
        var results = new MergeResult[Merges];

        await Parallel.ForEachAsync(Enumerable.Range(0, Merges), new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (
            number, cancellationToken) =>
            results[number] = await merger.MergeAsync(
                ids[number % Stacks],
                Changes(($"S_{number % 7}", $"{number}"), ($"D_{number % 5}", number % 3 == 0 ? null : $"{number}")),
                cancellationToken));

        var changed = results.Where(static result => result.Changed).ToArray();
        var sums = await Database.ScalarAsync<string>(
            "SELECT concat_ws(' ', count(*), sum(keys_set), sum(keys_deleted), sum(total_after)) FROM audit");
        Assert.Equal(
            $"{changed.Length} {changed.Sum(static result => result.KeysSet)} {changed.Sum(static result => result.KeysDeleted)} " +
            $"{changed.Sum(static result => result.TotalAfter)}",
            sums);

        // Ids are drawn under the row's lock, so that within a stack their order is that of the commits.
        Assert.Equal(0, await Database.ScalarAsync<long>(
            """
            SELECT count(*) FROM stacks
            WHERE env_vars IS DISTINCT FROM (SELECT env FROM audit WHERE stack = stacks.id ORDER BY audit.id DESC LIMIT 1)
            """));
        Assert.Equal(0, await Database.ScalarAsync<long>(
            """
            SELECT count(*)
            FROM (SELECT *, coalesce(lag(env) OVER (PARTITION BY stack ORDER BY id), '{}') AS before FROM audit) AS step
            WHERE total_after <> (SELECT count(*) FROM jsonb_object_keys(env))
               OR keys_deleted <> (SELECT count(*) FROM jsonb_object_keys(before) AS key WHERE NOT env ? key)
            """));
    }
}
