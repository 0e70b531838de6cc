using StackEnv.Samples.Worker.Tests.Infrastructure;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>One worker takes over from another, at the worst of moments.</summary>
public sealed class TakeoverTests : WorkerTest
{
    [Fact]
    public async Task A_merge_that_was_committed_just_before_its_worker_was_killed_counts_as_applied_once()
    {
        var stack = await Database.InsertAsync("""{"OLD": "1"}""");
        await using var killed = await StartWorkerAsync("killed");
        await using var gate = await Database.DataSource.OpenConnectionAsync();
        await Database.ExecuteAsync("CREATE TABLE gate ()");
        await Database.ExecuteAsync(
            "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN LOCK gate IN SHARE MODE; RETURN NEW; END'");
        await Database.ExecuteAsync("CREATE TRIGGER pass BEFORE UPDATE ON env_change_requests FOR EACH ROW EXECUTE FUNCTION pass()");
        await using var closed = await gate.BeginTransactionAsync();
        await using (var close = new Npgsql.NpgsqlCommand("LOCK gate", gate))
        {
            await close.ExecuteNonQueryAsync();
        }

        // Its merge is committed, and it waits at the gate before it records that.
        var request = await RequestAsync(stack, """{"NEW": "1", "OLD": ""}""");
        await UntilAsync(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'", SessionsOf("killed"));
        await killed.KillAsync();
        await Database.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", SessionsOf("killed"));
        Assert.Equal("pending", await StateAsync(request));

        // The next worker's own merge would now be refused.
        await Database.ExecuteAsync("UPDATE stacks SET status = 'deleting' WHERE id = $1", stack);
        await closed.RollbackAsync();
        await using var next = await StartWorkerAsync("next");

        Assert.Equal("applied 1+1-1", await OutcomeAsync(request));
        Assert.Equal("""{"NEW": "1"}""", await Database.EnvAsync(stack));
    }

    [Fact]
    public async Task A_worker_that_must_stop_while_its_merge_waits_leaves_the_request_as_it_was()
    {
        var stack = await Database.InsertAsync();
        await using var stopped = await StartWorkerAsync("stopped", ("LockTimeout", "01:00:00"));
        await using (await Database.LockAsync(stack))
        {
            var request = await RequestAsync(stack, """{"A": "1"}""");
            await UntilAsync(
                "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'",
                SessionsOf("stopped"));

            Assert.Equal(0, await stopped.StopAsync());

            Assert.Equal("pending", await StateAsync(request));
            Assert.Equal(
                request, await Database.ScalarAsync<long>("SELECT id FROM env_change_requests WHERE attempts = 0 FOR UPDATE SKIP LOCKED"));
        }

        Assert.Equal("{}", await Database.EnvAsync(stack));
    }

    [Fact]
    public async Task A_request_that_two_workers_merge_at_the_same_time_is_applied_once()
    {
        var stack = await Database.InsertAsync();
        await using var first = await StartWorkerAsync("first", ("LockTimeout", "00:00:30"));
        await using var second = await StartWorkerAsync("second", ("LockTimeout", "00:00:30"));
        await Database.ExecuteAsync("CREATE TABLE writes (env jsonb)");
        await Database.ExecuteAsync(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO writes VALUES (NEW.env_vars); RETURN NULL; " +
            "END'");
        await Database.ExecuteAsync("CREATE TRIGGER note AFTER UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION note()");
        const string sessions = "FROM pg_stat_activity WHERE application_name LIKE $1 || '-%'";
        long request, later;
        await using (await Database.LockAsync(stack))
        {
            request = await RequestAsync(stack, """{"A": "1"}""");
            later = await RequestAsync(stack, """{"A": "2"}""");
            await UntilAsync($"SELECT count(*) = 1 {sessions} AND wait_event_type = 'Lock'", Database.Schema);

            // As when the network takes away the connection that holds the claim, while the merge goes on waiting on another.
            await Database.ExecuteAsync($"SELECT pg_terminate_backend(pid) {sessions} AND state = 'idle in transaction'", Database.Schema);
            await UntilAsync($"SELECT count(*) = 2 {sessions} AND wait_event_type = 'Lock'", Database.Schema);
        }

        Assert.Equal("applied 1+0-1", await OutcomeAsync(request));
        Assert.Equal("applied 1+0-1", await OutcomeAsync(later));
        Assert.Equal("""{"A": "1"}, {"A": "2"}""", await Database.ScalarAsync<string>("SELECT string_agg(env::text, ', ') FROM writes"));
    }

    [Fact]
    public async Task A_worker_that_froze_and_was_taken_for_dead_cannot_apply_its_request_any_more()
    {
        var stack = await Database.InsertAsync();
        await using var frozen = await StartWorkerAsync("frozen", ("LockTimeout", "00:00:01"));
        const string waiting = "FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
        long request, later;
        await using (await Database.LockAsync(stack))
        {
            request = await RequestAsync(stack, """{"A": "1"}""");
            await UntilAsync($"SELECT count(*) = 1 {waiting}", SessionsOf("frozen"));
            await frozen.FreezeAsync();
            await UntilAsync($"SELECT count(*) = 0 {waiting}", SessionsOf("frozen"));
        }

        // As PostgreSQL does by itself after the two minutes that a claim may take.
        await Database.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle in transaction'",
            SessionsOf("frozen"));
        await using var next = await StartWorkerAsync("next");
        later = await RequestAsync(stack, """{"A": "2"}""");
        Assert.Equal("applied 1+0-1", await OutcomeAsync(request));
        Assert.Equal("applied 1+0-1", await OutcomeAsync(later));

        // It still has the first request in hand, and another attempt at its merge to go.
        await frozen.ThawAsync();
        await frozen.SaysAsync("The database does not answer as it should");

        Assert.Equal("""{"A": "2"}""", await Database.EnvAsync(stack));
    }
}
