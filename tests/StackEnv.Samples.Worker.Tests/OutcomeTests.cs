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
    public async Task Each_kind_of_refusal_is_final_at_once_and_writes_nothing()
    {
        await using var worker = await StartWorkerAsync("only", ("TeardownInterval", "01:00:00"));
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
                "refused invalid_env_key",
                "refused env_too_large",
                "refused stack_deleting",
                "refused stored_env_invalid",
                "refused not_found",
            ],
            await Task.WhenAll(requests.Select(OutcomeAsync)));
        Assert.Equal(before, await Task.WhenAll(stacks.Select(Database.FootprintAsync)));
        Assert.Equal(1, await Database.ScalarAsync<int>("SELECT max(attempts) FROM env_change_requests"));
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
    public async Task After_the_last_attempt_a_request_has_failed_and_the_next_one_gets_its_turn()
    {
        await using var worker = await StartWorkerAsync("only", ("LockTimeout", "00:00:00.020"), ("MaxAttempts", "3"));
        var stack = await Database.InsertAsync();
        long failed;
        await using (await Database.LockAsync(stack))
        {
            failed = await RequestAsync(stack, """{"A": "1"}""");
            Assert.Equal("failed lock_timeout", await OutcomeAsync(failed));
        }

        Assert.Equal("applied 1+0-1", await OutcomeAsync(await RequestAsync(stack, """{"B": "1"}""")));
        Assert.Equal("""{"B": "1"}""", await Database.EnvAsync(stack));
        Assert.Equal(
            """{"A": "1"}""", await Database.ScalarAsync<string>("SELECT changes::text FROM env_change_requests WHERE id = $1", failed));
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
