using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Npgsql;

namespace StackEnv.Samples.Api.Tests;

/// <summary>One stuck stack takes neither the connections nor the time of the others.</summary>
public sealed class StuckStackTests() : ApiTest("--StackEnvMerge:LockTimeout=00:01:00")
{
    // Of a pool as small as these tests' own, the library lets so many merges of one stack run at a time.
    private const int Held = 8;

    [Fact]
    public async Task Another_stack_is_served_while_one_is_locked_and_hammered()
    {
        var stuck = await InsertAsync("stuck");
        await InsertAsync("other");
        var fewConnections = new NpgsqlConnectionStringBuilder(Database.ConnectionString) { MaxPoolSize = Held + 1 };
        await using var api = await RunningApi.StartAsync(
            fewConnections.ConnectionString, settings: "--StackEnvMerge:LockTimeout=00:01:00");
        Task<HttpResponseMessage>[] hammering;
        await using (await Database.LockAsync(stuck))
        {
            hammering =
                [.. Enumerable.Range(0, 100).Select(number => api.Acme.PatchEnvAsync("stuck", $$$"""{"env": {"N{{{number}}}": "1"}}"""))];
            await Database.WaitersAsync(Held);

            // A limit well below the lock timeout: a request that has to wait for a connection of the stuck stack is late.
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            for (var number = 0; number < 20; number++)
            {
                var served = await api.Acme.PatchEnvAsync("other", $$$"""{"env": {"N": "{{{number}}}"}}""", soon.Token);
                Assert.Equal(HttpStatusCode.OK, served.StatusCode);
            }
        }

        Assert.All(await Task.WhenAll(hammering), static answer => Assert.Equal(HttpStatusCode.OK, answer.StatusCode));
    }

    [Fact]
    public async Task Requests_of_another_team_and_those_without_a_token_do_not_wait()
    {
        var stuck = await InsertAsync("shop");
        await using (await Database.LockAsync(stuck))
        {
            var waiting = Enumerable.Range(0, 2 * Held).Select(_ => Api.Acme.PatchEnvAsync("shop", """{"env": {"A": "1"}}""")).ToList();
            await Database.WaitersAsync(Held);

            var globex = await Api.Globex.PatchEnvAsync("shop", """{"env": {"A": "1"}}""");
            var anonymous = await Api.Anonymous.PatchEnvAsync("shop", """{"env": {"A": "1"}}""");

            Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.Unauthorized), (globex.StatusCode, anonymous.StatusCode));
            Assert.DoesNotContain(waiting, static request => request.IsCompleted);
        }
    }

    [Fact]
    public async Task A_caller_that_gives_up_writes_nothing_and_logs_no_error()
    {
        var id = await InsertAsync("shop");
        var before = await Database.FootprintAsync(id);
        using var logs = new FakeLoggerProvider();
        await using (var api = await RunningApi.StartAsync(Database.ConnectionString, logs, "--StackEnvMerge:LockTimeout=00:01:00"))
        {
            await using (await Database.LockAsync(id))
            {
                using var giveUp = new CancellationTokenSource();
                var request = api.Acme.PatchEnvAsync("shop", """{"env": {"A": "1"}}""", giveUp.Token);
                await Database.WaitersAsync(1);

                await giveUp.CancelAsync();

                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
                await WaitForLogAsync(logs, "the merge was cancelled and nothing was committed");
            }

            var next = await api.Acme.PatchEnvAsync("shop", """{"env": {}}""");
            Assert.Equal((HttpStatusCode.OK, before), (next.StatusCode, await Database.FootprintAsync(id)));
        }

        Assert.DoesNotContain(logs.Collector.GetSnapshot(), static record => record.Level >= LogLevel.Warning);
    }

    private static async Task WaitForLogAsync(FakeLoggerProvider logs, string text)
    {
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (!logs.Collector.GetSnapshot().Any(record => record.Message.Contains(text, StringComparison.Ordinal)))
        {
            Assert.True(DateTime.UtcNow < deadline, $"\"{text}\" was not logged.");
            await Task.Delay(5);
        }
    }
}
