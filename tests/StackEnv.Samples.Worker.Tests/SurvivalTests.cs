using System.Text.Json;
using StackEnv.Samples.Worker.Tests.Infrastructure;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>Two workers on one queue, while stacks are torn down, and one of the workers ends in the middle.</summary>
public sealed class SurvivalTests : WorkerTest
{
    private const int Requests = 500;
    private const int Stacks = 20;

    private const string Finished = "SELECT count(*) >= $1 FROM env_change_requests WHERE status <> 'pending'";

    // What every table has seen is kept, so that nothing that happened twice or in passing can hide.
    private const string Witnesses =
        """
        CREATE TABLE outcomes (request bigint, status text);
        CREATE FUNCTION note_outcome() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN INSERT INTO outcomes VALUES (NEW.id, NEW.status); RETURN NULL; END';
        CREATE TRIGGER note_outcome AFTER UPDATE ON env_change_requests FOR EACH ROW
            WHEN (NEW.status <> 'pending' OR OLD.status <> 'pending') EXECUTE FUNCTION note_outcome();

        CREATE TABLE writes (number bigint GENERATED ALWAYS AS IDENTITY, stack uuid, request bigint);
        CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_sleep(0.02);
             INSERT INTO writes (stack, request) VALUES (NEW.id, (NEW.env_vars ->> ''LAST'')::bigint); RETURN NULL; END';
        CREATE TRIGGER note_write AFTER UPDATE OF env_vars ON stacks FOR EACH ROW EXECUTE FUNCTION note_write();

        CREATE TABLE torn_down (LIKE stacks);
        CREATE FUNCTION note_teardown() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO torn_down SELECT OLD.*; RETURN NULL; END';
        CREATE TRIGGER note_teardown AFTER DELETE ON stacks FOR EACH ROW EXECUTE FUNCTION note_teardown();
        """;

    [Fact]
    public Task A_worker_that_is_killed_loses_nothing() => RunAsync(static async worker => await worker.KillAsync());

    [Fact]
    public Task A_worker_that_is_stopped_loses_nothing() => RunAsync(static async worker => Assert.Equal(0, await worker.StopAsync()));

    private async Task RunAsync(Func<WorkerProcess, Task> end)
    {
        (string, string) retryDelay = ("RetryDelay", "00:00:00.200");
        var workers = await Task.WhenAll(StartWorkerAsync("ended", retryDelay), StartWorkerAsync("surviving", retryDelay));
        await using var ended = workers[0];
        await using var surviving = workers[1];
        await Database.ExecuteAsync(Witnesses);
        var stacks = new Guid[Stacks];
        foreach (var number in Enumerable.Range(0, Stacks))
        {
            stacks[number] = await Database.InsertAsync();
        }

        // Of each 50 requests one has a key that is not valid and one is for no stack at all. Each of the others leaves its number in two
        // places.
        await Database.ExecuteAsync(
            """
            INSERT INTO env_change_requests (stack_id, changes)
            SELECT CASE number % 50 WHEN 25 THEN gen_random_uuid() ELSE ($1::uuid[])[number % $2 + 1] END,
                jsonb_build_object(CASE number % 50 WHEN 0 THEN 'not a key' ELSE 'REQUEST_' || number END, 'here', 'LAST', number::text)
            FROM generate_series(1, $3) AS number
            """,
            stacks,
            Stacks,
            Requests);

        // Three stacks are flipped in passing, and three under locks that were taken before the worker ends, with merges waiting for
        // them.
        await UntilFinishedAsync(50);
        await Database.ExecuteAsync("UPDATE stacks SET status = 'deleting' WHERE id = ANY ($1)", stacks[..3]);
        await Database.ExecuteAsync("DELETE FROM stacks WHERE status = 'deleting'");
        var teardowns = await Task.WhenAll(stacks[3..6].Select(Database.LockAsync));
        await UntilFinishedAsync(150);
        await UntilAsync(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle in transaction'", SessionsOf("ended"));
        await end(ended);
        Assert.False(await Database.ScalarAsync<bool>(Finished, Requests));
        foreach (var (number, teardown) in teardowns.Index())
        {
            await using (teardown)
            {
                await teardown.CommitStatusAsync(stacks[3 + number], "deleting");
            }
        }

        await Database.ExecuteAsync("DELETE FROM stacks WHERE status = 'deleting'");
        await UntilFinishedAsync(Requests);
        Assert.Equal(0, await surviving.StopAsync());

        await EachRequestHasOneFinalOutcomeAsync();
        await TheRowsSayTheSameAsync(stacks);
        await UntilAsync("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name LIKE $1 || '-%'", Database.Schema);
    }

    private Task UntilFinishedAsync(int count) => UntilAsync(Finished, count);

    private async Task EachRequestHasOneFinalOutcomeAsync()
    {
        Assert.Equal(Requests, await Database.ScalarAsync<long>("SELECT count(*) FROM outcomes"));
        Assert.Equal(
            Requests,
            await Database.ScalarAsync<long>(
                "SELECT count(*) FROM env_change_requests AS r JOIN outcomes AS o ON o.request = r.id AND o.status = r.status"));
        Assert.Equal("", await Database.ScalarAsync<string>(
            """
            SELECT coalesce(string_agg(DISTINCT concat_ws(' ', status, error_code), ', '), '') FROM env_change_requests
            WHERE CASE id % 50
              WHEN 0 THEN (status, error_code) <> ('failed', 'invalid_env_key')
              WHEN 25 THEN (status, error_code) <> ('failed', 'not_found')
              ELSE NOT (
                  status = 'applied' AND error_code IS NULL OR status = 'failed' AND error_code IN ('stack_deleting', 'not_found')) END
            """));
    }

    private async Task TheRowsSayTheSameAsync(Guid[] stacks)
    {
        foreach (var (number, stack) in stacks.Index())
        {
            var isTornDown = number < 6;
            var env = JsonSerializer.Deserialize<Dictionary<string, string>>((await Database.ScalarAsync<string>(
                $"SELECT env_vars::text FROM {(isTornDown ? "torn_down" : "stacks")} WHERE id = $1", stack))!)!;
            var applied = await Database.ScalarAsync<long[]>(
                "SELECT array_agg(id ORDER BY id) FROM env_change_requests WHERE stack_id = $1 AND status = 'applied'", stack);
            var failed = await Database.ScalarAsync<long[]>(
                "SELECT coalesce(array_agg(id ORDER BY id), '{}') FROM env_change_requests WHERE stack_id = $1 AND status = 'failed' " +
                "AND id % 50 <> 0",
                stack);

            // Each applied request wrote once, one after the other, and all that they wrote is there; no other left anything.
            Assert.Equal(
                applied,
                await Database.ScalarAsync<long[]>("SELECT array_agg(request ORDER BY number) FROM writes WHERE stack = $1", stack));
            Assert.Equal(
                applied!.Select(static request => $"REQUEST_{request}").Append("LAST").Order(StringComparer.Ordinal),
                env.Keys.Order(StringComparer.Ordinal));
            Assert.Equal($"{applied![^1]}", env["LAST"]);

            // A teardown stays.
            Assert.Equal(isTornDown, failed!.Length > 0);
            Assert.True(failed.Length == 0 || applied[^1] < failed[0]);
        }
    }
}
