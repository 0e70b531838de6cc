using Npgsql;
using StackEnv.Samples.Worker.Tests.Infrastructure;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>What becomes of one request.</summary>
public sealed class OutcomeTests : WorkerTest
{
    [Fact]
    public async Task An_applied_request_has_the_counts_of_its_merge_and_keeps_no_values()
    {
        await using var worker = await StartWorkerAsync("only");
        var stack = await Database.InsertAsync("""{"KEPT": "1", "OLD": "1", "OLDER": "1"}""");

        var request = await RequestAsync(stack, """{"NEW": "1", "OLD": "", "OLDER": null, "NEVER_SET": null}""");

        Assert.Equal("applied 1+2-2", await OutcomeAsync(request));
        Assert.Equal("""{"NEW": "1", "KEPT": "1"}""", await Database.EnvAsync(stack));
        Assert.True(await Database.ScalarAsync<bool>(
            "SELECT changes IS NULL AND finished_at >= created_at AND attempts = 1 FROM env_change_requests"));
    }

    [Fact]
    public async Task What_a_repeat_cannot_change_is_given_up_at_once_and_kept_with_its_reason_for_a_person_to_send_again()
    {
        await using var worker = await StartWorkerAsync("only");
        var healthy = await Database.InsertAsync($$"""{"LARGE": "{{new string('x', 40_000)}}"}""");
        var deleting = await Database.InsertAsync(status: "deleting");
        var broken = await Database.InsertAsync("[]");
        Guid[] stacks = [healthy, deleting, broken];
        var before = await Task.WhenAll(stacks.Select(Database.FootprintAsync));

        long[] requests =
        [
            await RequestAsync(healthy, """{"not a key": "1"}"""),
            await RequestAsync(healthy, $$"""{"MORE": "{{new string('x', 40_000)}}"}"""),
            await RequestAsync(deleting, """{"A": "1"}"""),
            await RequestAsync(broken, """{"A": "1"}"""),
            await RequestAsync(Guid.NewGuid(), """{"A": "1"}"""),
        ];

        Assert.Equal(
            [
                "failed invalid_env_key",
                "failed env_too_large",
                "failed stack_deleting",
                "failed stored_env_invalid",
                "failed not_found",
            ],
            await Task.WhenAll(requests.Select(OutcomeAsync)));
        Assert.Equal(before, await Task.WhenAll(stacks.Select(Database.FootprintAsync)));
        Assert.Equal(1, await Database.ScalarAsync<int>("SELECT max(attempts) FROM env_change_requests"));
        Assert.Equal(5, await Database.ScalarAsync<long>(
            "SELECT count(*) FROM env_change_requests WHERE changes IS NOT NULL AND reason <> ''"));

        // A person makes room and sends the second one again, as the README shows.
        await Database.ExecuteAsync("UPDATE stacks SET env_vars = '{}' WHERE id = $1", healthy);
        var again = await Database.ScalarAsync<long>(SampleTests.SendAgain.Replace("4711", "$1", StringComparison.Ordinal), requests[1]);
        Assert.Equal("applied 1+0-1", await OutcomeAsync(again));
        Assert.Equal(4, await Database.ScalarAsync<long>("SELECT count(*) FROM env_change_requests WHERE status = 'failed'"));
    }

    [Fact]
    public async Task What_could_never_be_merged_cannot_be_queued()
    {
        await using var worker = await StartWorkerAsync("only");

        foreach (var (changes, sqlState) in new[]
        {
            ("""{"A": "NUL \u0000"}""", PostgresErrorCodes.UntranslatableCharacter),
            ("""{"A": "half \ud800"}""", PostgresErrorCodes.InvalidTextRepresentation),
            ("""{"A": 1}""", PostgresErrorCodes.CheckViolation),
            ("""{"A": ["1"]}""", PostgresErrorCodes.CheckViolation),
            ("""{"A": []}""", PostgresErrorCodes.CheckViolation),
            ("""["A"]""", PostgresErrorCodes.CheckViolation),
        })
        {
            var refused = await Assert.ThrowsAsync<PostgresException>(() => RequestAsync(Guid.NewGuid(), changes));
            Assert.Equal(sqlState, refused.SqlState);
        }
    }

    [Fact]
    public async Task A_request_whose_stack_is_locked_is_put_back_and_applied_later()
    {
        await using var worker = await StartWorkerAsync(
            "only", ("LockTimeout", "00:00:00.050"), ("RetryDelay", "00:00:00.100"), ("PollingInterval", "00:00:00.050"));
        var stack = await Database.InsertAsync();
        long request;
        await using (await Database.LockAsync(stack))
        {
            request = await RequestAsync(stack, """{"A": "1"}""");
            await UntilAsync("SELECT attempts >= 3 FROM env_change_requests WHERE id = $1", request);
            Assert.Equal("pending lock_timeout", await StateAsync(request));
            Assert.True(await Database.ScalarAsync<bool>("SELECT next_attempt_at > created_at FROM env_change_requests"));
        }

        Assert.Equal("applied 1+0-1", await OutcomeAsync(request));
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(stack));
    }

    [Fact]
    public async Task A_request_that_fails_for_a_transient_reason_is_never_given_up_and_its_pause_grows_to_a_cap()
    {
        await using var worker = await StartWorkerAsync(
            "only", ("LockTimeout", "00:00:00.001"), ("RetryDelay", "00:00:00.010"), ("MaxRetryDelay", "00:00:00.100"),
            ("PollingInterval", "00:00:00.010"));
        var stack = await Database.InsertAsync();
        await Database.ExecuteAsync(
            "CREATE TABLE pauses (attempt int, pause interval); " +
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO pauses " +
            "VALUES (NEW.attempts, NEW.next_attempt_at - clock_timestamp()); RETURN NULL; END'; " +
            "CREATE TRIGGER note AFTER UPDATE ON env_change_requests FOR EACH ROW WHEN (NEW.status = 'pending') EXECUTE FUNCTION note()");
        long request;
        await using (await Database.LockAsync(stack))
        {
            request = await RequestAsync(stack, """{"A": "1"}""");
            await UntilAsync("SELECT attempts >= 40 FROM env_change_requests WHERE id = $1", request);
            Assert.Equal("pending lock_timeout", await StateAsync(request));
        }

        Assert.Equal("applied 1+0-1", await OutcomeAsync(request));
        Assert.True(await Database.ScalarAsync<bool>(
            """
            SELECT bool_and(pause <= least('100 ms', interval '10 ms' * 2 ^ (attempt - 1)))
                AND max(pause) FILTER (WHERE attempt > 4) > '45 ms'
            FROM pauses
            """));
    }

    [Theory]
    [InlineData("ALTER TABLE stacks DROP COLUMN updated_at", "failed store_error")]
    [InlineData("ALTER TABLE stacks DROP CONSTRAINT stacks_pkey", "failed unsuitable_table")]
    [InlineData("ALTER TABLE stacks ALTER COLUMN updated_at TYPE timestamp", "failed unsuitable_table")]
    [InlineData("CREATE TRIGGER t BEFORE UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION to_array()", "failed unsuitable_table")]
    public async Task A_request_fails_where_trying_again_would_not_help(string harm, string outcome)
    {
        await using var worker = await StartWorkerAsync("only");
        var stack = await Database.InsertAsync();
        await Database.ExecuteAsync(
            "CREATE FUNCTION to_array() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.env_vars = ''[]''; RETURN NEW; END'");
        await Database.ExecuteAsync(harm);

        Assert.Equal(outcome, await OutcomeAsync(await RequestAsync(stack, """{"A": "1"}""")));
        Assert.Equal(1, await Database.ScalarAsync<int>("SELECT attempts FROM env_change_requests"));
        Assert.Equal("{}", await Database.EnvAsync(stack));
    }
}
