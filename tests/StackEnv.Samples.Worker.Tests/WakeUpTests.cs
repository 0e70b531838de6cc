using System.Diagnostics;
using StackEnv.Samples.Worker.Tests.Infrastructure;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>How a worker that has nothing to do learns of a request.</summary>
public sealed class WakeUpTests : WorkerTest
{
    [Fact]
    public async Task A_notification_wakes_it()
    {
        await using var worker = await StartWorkerAsync("only", ("PollingInterval", "01:00:00"));
        var stack = await Database.InsertAsync();

        for (var turn = 1; turn <= 5; turn++)
        {
            Assert.StartsWith("applied", await OutcomeAsync(await RequestAsync(stack, """{"A": "1"}""")), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Polling_wakes_it_without_a_notification()
    {
        await using var worker = await StartWorkerAsync("only", ("PollingInterval", "00:00:00.100"));
        var stack = await Database.InsertAsync();
        await Database.ExecuteAsync("ALTER TABLE env_change_requests DISABLE TRIGGER env_change_requests_notify");

        Assert.StartsWith("applied", await OutcomeAsync(await RequestAsync(stack, """{"A": "1"}""")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_queued_while_no_worker_ran_is_found_at_the_start()
    {
        var stack = await Database.InsertAsync();
        await using (await StartWorkerAsync("maker of the tables"))
        {
        }

        var request = await RequestAsync(stack, """{"A": "1"}""");
        await using var worker = await StartWorkerAsync("only", ("PollingInterval", "01:00:00"));

        Assert.StartsWith("applied", await OutcomeAsync(request), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_listens_again_when_it_has_lost_its_connections()
    {
        await using var worker = await StartWorkerAsync("only", ("PollingInterval", "01:00:00"));
        var stack = await Database.InsertAsync();
        const string listening = "FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'";
        await UntilAsync($"SELECT count(*) > 0 {listening}", SessionsOf("only"));
        var lost = await Database.ScalarAsync<int>($"SELECT pid {listening}", SessionsOf("only"));

        await Database.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1", SessionsOf("only"));
        await UntilAsync($"SELECT count(*) > 0 {listening} AND pid <> $2", SessionsOf("only"), lost);

        // The first may meet a lost connection of the merger's pool and be put back, which only polling would find. Another is notified of.
        var first = await RequestAsync(stack, """{"A": "1"}""");
        await UntilAsync("SELECT attempts > 0 FROM env_change_requests WHERE id = $1", first);
        var second = await RequestAsync(await Database.InsertAsync(), """{"A": "1"}""");
        Assert.StartsWith("applied", await OutcomeAsync(second), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_idle_worker_stops_at_once()
    {
        await using var worker = await StartWorkerAsync("only", ("PollingInterval", "01:00:00"));
        var watch = Stopwatch.StartNew();

        Assert.Equal(0, await worker.StopAsync());
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }
}
