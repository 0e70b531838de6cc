using StackEnv.Samples.Worker.Tests.Infrastructure;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>Requests of one stack take turns; those of others do not wait for them.</summary>
public sealed class OrderTests : WorkerTest
{
    [Fact]
    public async Task A_stack_that_is_held_holds_up_its_own_requests_and_no_others()
    {
        await using var worker = await StartWorkerAsync("only", ("Concurrency", "2"), ("LockTimeout", "00:00:30"));
        var held = await Database.InsertAsync();
        var free = await Database.InsertAsync();
        long[] waiting;
        await using (await Database.LockAsync(held))
        {
            waiting =
                [
                    await RequestAsync(held, """{"A": "1"}"""),
                    await RequestAsync(held, """{"A": "2"}"""),
                    await RequestAsync(held, """{"A": "3"}"""),
                ];

            Assert.Equal("applied 1+0-1", await OutcomeAsync(await RequestAsync(free, """{"A": "1"}""")));
            Assert.Equal(["pending", "pending", "pending"], await Task.WhenAll(waiting.Select(StateAsync)));
        }

        Assert.Equal(["applied 1+0-1", "applied 1+0-1", "applied 1+0-1"], await Task.WhenAll(waiting.Select(OutcomeAsync)));
        Assert.Equal("""{"A": "3"}""", await Database.EnvAsync(held));
    }

    [Fact]
    public async Task Claims_do_not_keep_merges_from_getting_a_connection()
    {
        await using var worker = await StartWorkerAsync("only", ("Concurrency", "8"), ("LockTimeout", "00:00:30"));
        var stacks = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Database.InsertAsync()));
        var locks = await Task.WhenAll(stacks.Select(Database.LockAsync));
        var requests = await Task.WhenAll(stacks.Select(stack => RequestAsync(stack, """{"A": "1"}""")));

        // All the claims there can be at once, and each has its merge under way.
        await UntilAsync(
            "SELECT count(*) = 8 FROM pg_stat_activity WHERE application_name = $1 AND state = 'idle in transaction'", SessionsOf("only"));
        await UntilAsync(
            "SELECT count(*) = 8 FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'", SessionsOf("only"));
        await Task.WhenAll(locks.Select(static held => held.DisposeAsync().AsTask()));

        Assert.All(await Task.WhenAll(requests.Select(OutcomeAsync)), static outcome => Assert.Equal("applied 1+0-1", outcome));
    }
}
