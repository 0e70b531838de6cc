using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Tests;

/// <summary>Committed, certainly not committed, or unknown: what the caller is told is what happened.</summary>
public sealed class OutcomeTests : DatabaseTest
{
    [Fact]
    public async Task A_cancelled_wait_leaves_at_once_and_nothing_is_written()
    {
        var id = await Database.InsertAsync();
        await using var holder = await Database.LockAsync(id);
        var before = await Database.FootprintAsync(id);
        using var cancel = new CancellationTokenSource();
        var merging = Database.Merger.MergeAsync(id, Changes(("A", "1")), cancel.Token);
        await Database.WaitersAsync(1);

        await cancel.CancelAsync();

        var cancelled = await Assert.ThrowsAsync<OperationCanceledException>(() => merging);
        Assert.True(merging.IsCanceled);
        Assert.Equal(cancel.Token, cancelled.CancellationToken);
        Assert.Null(cancelled.InnerException);
        Assert.Equal($"The merge into stack {id} was cancelled. Nothing was written.", cancelled.Message);
        await holder.DisposeAsync();
        Assert.Equal(before, await Database.FootprintAsync(id));
        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_token_that_is_cancelled_already_sends_nothing()
    {
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Database.Merger.MergeAsync(id, Changes(("A", "1")), new CancellationToken(canceled: true)));

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_session_that_the_server_ends_while_the_merge_waits_is_not_committed()
    {
        var id = await Database.InsertAsync();
        await using var holder = await Database.LockAsync(id);
        var before = await Database.FootprintAsync(id);
        var merging = Database.Merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);

        await Database.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1",
            Database.Schema);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merging);
        Assert.Equal(PostgresErrorCodes.AdminShutdown, failure.SqlState);
        Assert.True(failure.IsTransient);
        await holder.DisposeAsync();
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_connection_that_is_lost_before_the_server_has_the_batch_is_unknown_and_repeating_it_works(bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: withJournal);
        lane.Proxy.Arm(WireFault.BeforeClient("COMMIT\0", WireAction.Close));

        var unknown = await Assert.ThrowsAsync<MergeOutcomeUnknownException>(() => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.True(unknown.IsTransient);
        Assert.Equal("{}", await Database.EnvAsync(id));
        Assert.True((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_connection_that_is_lost_before_the_answer_arrives_is_unknown_and_repeating_it_is_safe(bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: withJournal);
        lane.Proxy.Arm(WireFault.BeforeServer("COMMIT", WireAction.Close));

        await Assert.ThrowsAsync<MergeOutcomeUnknownException>(() => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.False((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task Once_the_commits_tag_has_arrived_the_merge_is_committed_whatever_follows()
    {
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        await using var lane = await ProxiedAsync(id);
        lane.Proxy.Arm(WireFault.AfterServer("COMMIT", WireAction.Close));

        var result = await lane.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", null)));

        Assert.Equal((1, 1, 1, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task Which_keys_a_merge_changed_in_a_stack_that_was_created_before_its_update_is_not_made_up()
    {
        await using var lane = await ProxiedAsync(await Database.InsertAsync());
        var created = Guid.NewGuid();

        var unknown = await Assert.ThrowsAsync<MergeOutcomeUnknownException>(
            () => CreateWithinAsync(lane, created, Changes(("NEW", "changed"))));

        Assert.Contains("It was committed", unknown.Message, StringComparison.Ordinal);
        Assert.Equal("""{"NEW": "changed"}""", await Database.EnvAsync(created));
        Assert.False((await lane.Merger.MergeAsync(created, Changes(("NEW", "changed")))).Changed);
    }

    [Fact]
    public async Task The_count_of_deletes_of_such_a_merge_is_not_made_up()
    {
        await using var lane = await ProxiedAsync(await Database.InsertAsync());
        var created = Guid.NewGuid();

        await Assert.ThrowsAsync<MergeOutcomeUnknownException>(() => CreateWithinAsync(lane, created, Changes(("NEW", ""))));

        Assert.Equal("{}", await Database.EnvAsync(created));
    }

    [Fact]
    public async Task With_a_journal_such_a_merge_is_rolled_back_and_tried_again()
    {
        await using var lane = await ProxiedAsync(await Database.InsertAsync(), withJournal: true);
        var created = Guid.NewGuid();

        var result = await CreateWithinAsync(lane, created, Changes(("NEW", ""), ("A", "1")));

        Assert.Equal((1, 1, 1, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
        Assert.Equal("A", Assert.Single(result.AddedKeys));
        Assert.Equal("NEW", Assert.Single(result.DeletedKeys));
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(created));
    }

    // A view stands in for a stack that is created before the UPDATE of both attempts: only an UPDATE sees its rows.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task If_the_second_attempt_finds_such_a_stack_too_it_is_not_found_and_there_is_no_third(bool withJournal)
    {
        await Database.ExecuteAsync("CREATE VIEW late AS SELECT * FROM stacks WHERE current_query() LIKE 'UPDATE%'");
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        var before = await Database.FootprintAsync(id);
        var asked = 0;
        await using var log = await StatementLog.StartAsync(Database.ConnectionString);
        var merger = new StackEnvMerger(
            log.DataSource,
            new() { Table = "late" },
            journals: withJournal ? [new Journal((_, _) => { asked++; return []; })] : []);

        await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(id, Changes(("A", "1"), ("OLD", ""))));

        Assert.Equal(
            ["BEGIN", "ROLLBACK", "BEGIN", "ROLLBACK"],
            log.Take().Select(static statement => statement.Split(' ')[0]).Where(static word => word is "BEGIN" or "COMMIT" or "ROLLBACK"));
        Assert.Equal(0, asked);
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_silent_server_does_not_hold_the_caller_forever()
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, TimeSpan.FromSeconds(1));
        lane.Proxy.Arm(new(FromServer: true, Message: 0, Offset: 0, WireAction.Silence));

        await Assert.ThrowsAsync<MergeOutcomeUnknownException>(
            () => lane.Merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(TimeSpan.FromSeconds(60)));

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task An_error_in_the_update_rolls_everything_back_and_the_pool_stays_usable()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD CONSTRAINT no_b CHECK (NOT env_vars ? 'B')");
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("B", "1"))));

        Assert.Equal(PostgresErrorCodes.CheckViolation, failure.SqlState);
        Assert.Equal(before, await Database.FootprintAsync(id));
        Assert.True((await Database.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_commit_that_fails_is_not_committed()
    {
        await Database.ExecuteAsync(Trigger.InCommit("RAISE EXCEPTION SQLSTATE '40001'"));
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal((PostgresErrorCodes.SerializationFailure, true), (failure.SqlState, failure.IsTransient));
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_full_disk_before_COMMIT_is_not_committed()
    {
        await Database.ExecuteAsync(Trigger.On("RAISE EXCEPTION SQLSTATE '53100'"));
        var id = await Database.InsertAsync();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal((PostgresErrorCodes.DiskFull, true), (failure.SqlState, failure.IsTransient));
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_full_disk_in_what_a_journal_writes_is_not_committed()
    {
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(new Journal(static (_, _) => [new("DO 'BEGIN RAISE EXCEPTION SQLSTATE ''53100''; END'")]));

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(PostgresErrorCodes.DiskFull, failure.SqlState);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_full_disk_in_COMMIT_itself_is_unknown()
    {
        await Database.ExecuteAsync(Trigger.InCommit("RAISE EXCEPTION SQLSTATE '53100'"));
        var id = await Database.InsertAsync();

        await Assert.ThrowsAsync<MergeOutcomeUnknownException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));
    }

    [Fact]
    public async Task An_exhausted_pool_says_what_to_do()
    {
        var id = await Database.InsertAsync();
        await using var one = Database.DataSourceWith(static settings => (settings.MaxPoolSize, settings.Timeout) = (1, 1));
        await using var taken = await one.OpenConnectionAsync();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => new StackEnvMerger(one).MergeAsync(id, Changes(("A", "1"))));

        Assert.True(failure.IsTransient);
        Assert.Contains("Max Pool Size", failure.Message, StringComparison.Ordinal);
    }

    private async Task<MergeResult> CreateWithinAsync(ProxiedMerger lane, Guid id, Dictionary<string, string?> changes)
    {
        lane.Proxy.Arm(WireFault.BeforeClient("UPDATE \"stacks\"", WireAction.Hold));
        var merging = lane.Merger.MergeAsync(id, changes);
        await lane.Proxy.Struck;

        // The session has read, found nothing, and has not sent its UPDATE yet.
        while (await Database.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SET LOCAL statement_timeout TO DEFAULT' AND application_name = $1",
            Database.Schema) == 0)
        {
            await Task.Delay(5);
        }

        await Database.ExecuteAsync("""INSERT INTO stacks (id, slug, env_vars) VALUES ($1, 'new', '{"NEW": "n"}')""", id);
        lane.Proxy.Release(deliver: true);
        return await merging;
    }
}
