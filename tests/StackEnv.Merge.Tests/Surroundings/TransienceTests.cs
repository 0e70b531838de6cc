using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>A failure is transient if the same merge can succeed later while schema and configuration stay as they are.</summary>
public sealed class TransienceTests : SurroundingsTest
{
    [Theory]
    [InlineData("REPLICA IDENTITY DEFAULT")]
    [InlineData("REPLICA IDENTITY NOTHING")]
    public async Task A_published_table_without_a_replica_identity_is_permanent(string identity)
    {
        await Database.ExecuteAsync($"CREATE TABLE app ({Columns}, UNIQUE (slug)); ALTER TABLE app {identity}");
        await InsertAppAsync();
        await Database.ExecuteAsync($"CREATE PUBLICATION {Database.Schema} FOR TABLE app");
        try
        {
            var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => App().MergeAsync("shop", Changes(("A", "1"))));

            Assert.Equal((PostgresErrorCodes.ObjectNotInPrerequisiteState, false), (failure.SqlState, failure.IsTransient));
            Assert.Contains("replica identity", failure.Message, StringComparison.Ordinal);
        }
        finally
        {
            await Database.ExecuteAsync($"DROP PUBLICATION {Database.Schema}");
        }
    }

    [Fact]
    public async Task A_transaction_timeout_that_is_shorter_than_the_wait_is_transient_where_the_server_has_one()
    {
        var id = await Database.InsertAsync();
        await using var limited = Database.DataSourceWith(static settings => settings.Options = "-c transaction_timeout=300");
        var merger = new StackEnvMerger(limited);
        if (await Database.ScalarAsync<int>("SELECT current_setting('server_version_num')::int") < 170_000)
        {
            // A setting that this server does not know: no repeat of the merge changes the connection string.
            var refused = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("A", "1"))));
            Assert.Equal((PostgresErrorCodes.UndefinedObject, false), (refused.SqlState, refused.IsTransient));
            Assert.Contains("transaction_timeout", refused.Message, StringComparison.Ordinal);
            return;
        }

        await using (await Database.LockAsync(id))
        {
            var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync(id, Changes(("A", "1"))));
            Assert.True(failure.IsTransient, failure.ToString());
            Assert.NotEqual("outcome_unknown", failure.ErrorCode);
        }

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData("pg_cancel_backend")]
    [InlineData("pg_terminate_backend")]
    public async Task What_an_administrator_ends_is_transient(string how)
    {
        var id = await Database.InsertAsync();
        await using (await Database.LockAsync(id))
        {
            var merging = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromSeconds(30))
                .MergeAsync(id, Changes(("A", "1")));
            await Database.WaitersAsync(1);
            await Database.ExecuteAsync(
                $"SELECT {how}(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1", Database.Schema);

            var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merging);
            Assert.True(failure.IsTransient, $"{failure}");
        }

        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData("INSERT INTO missing VALUES (1)", "42P01", false)]
    [InlineData("PERFORM 1 / 0", "22012", false)]
    [InlineData("RAISE EXCEPTION 'no'", "P0001", false)]
    [InlineData("RAISE unique_violation", "23505", false)]
    [InlineData("RAISE insufficient_privilege", "42501", false)]
    [InlineData("RAISE read_only_sql_transaction", "25006", false)]
    [InlineData("RAISE serialization_failure", "40001", true)]
    [InlineData("RAISE deadlock_detected", "40P01", true)]
    [InlineData("RAISE lock_not_available", "55P03", true)]
    [InlineData("PERFORM FROM held FOR UPDATE NOWAIT", "55P03", true)]
    [InlineData("SET LOCAL lock_timeout = 50; PERFORM FROM held FOR UPDATE", "55P03", true)]
    public async Task A_trigger_that_fails_is_transient_where_a_repeat_can_help_and_it_is_not_the_row(
        string body, string sqlState, bool isTransient)
    {
        await Database.ExecuteAsync($"CREATE TABLE held (number int); INSERT INTO held VALUES (1); {Trigger.On(body)}");
        var id = await Database.InsertAsync();
        await using (await Database.HoldAsync("SELECT FROM held FOR UPDATE"))
        {
            var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

            Assert.Equal((sqlState, isTransient), (failure.SqlState, failure.IsTransient));
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task A_stack_that_its_holder_deletes_and_inserts_again_is_still_there(bool withJournal, bool withDeletes)
    {
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        var merger = withJournal ? Database.MergerWith(Journal.Silent) : Database.Merger;
        await using var transaction = await Database.HoldAsync("DELETE FROM stacks WHERE id = $1", id);
        var merging = Record.ExceptionAsync(async () =>
        {
            var result = await merger.MergeAsync(id, withDeletes ? Changes(("A", "1"), ("OLD", "")) : Changes(("A", "1")));
            Assert.Equal(
                (1, withDeletes ? 1 : 0, withDeletes ? 2 : 3, true),
                (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
        });
        await Database.WaitersAsync(1);
        await transaction.ExecuteAsync(
            """INSERT INTO stacks (id, slug, status, env_vars) VALUES ($1, 'again', 'healthy', '{"OLD": "o", "NEW": "n"}')""", id);
        await transaction.CommitAsync();

        // The locked read saw the row that was deleted, and the UPDATE the one that was inserted: which keys that held before is not
        // known. With a journal nothing is committed yet, and the merge is tried once more.
        var failure = await merging;
        Assert.True(failure is null || (!withJournal && failure is MergeOutcomeUnknownException), $"{failure}");
        Assert.Equal(
            failure is null || !withJournal,
            await Database.ScalarAsync<bool>("SELECT env_vars @> '{\"A\": \"1\", \"NEW\": \"n\"}' FROM stacks WHERE id = $1", id));
    }

    [Fact]
    public async Task A_stack_that_its_holder_deletes_is_not_found()
    {
        var id = await Database.InsertAsync();
        Task<MergeResult> merging;
        await using (var holder = await Database.HoldAsync("DELETE FROM stacks WHERE id = $1", id))
        {
            merging = Database.Merger.MergeAsync(id, Changes(("A", "1")));
            await Database.WaitersAsync(1);
            await holder.CommitAsync();
        }

        await Assert.ThrowsAsync<StackNotFoundException>(() => merging);
    }
}
