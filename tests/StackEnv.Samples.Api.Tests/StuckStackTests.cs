using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Npgsql;

namespace StackEnv.Samples.Api.Tests;

/// <summary>One stuck stack takes neither the connections nor the time of the others.</summary>
public sealed class StuckStackTests() : ApiTest("--StackEnvMerge:LockTimeout=00:01:00")
{
    private const int Held = PerStackLimit.Requests;

    [Fact]
    public async Task Another_stack_is_served_while_one_is_locked_and_hammered()
    {
        var stuck = await InsertAsync("stuck");
        await InsertAsync("other");
        var fewConnections = new NpgsqlConnectionStringBuilder(Database.ConnectionString) { MaxPoolSize = PerStackLimit.Requests + 1 };
        await using var api = await RunningApi.StartAsync(
            fewConnections.ConnectionString, settings: "--StackEnvMerge:LockTimeout=00:01:00");
        Task<HttpResponseMessage>[] hammering;
        await using (await Database.LockAsync(stuck))
        {
            hammering =
                [.. Enumerable.Range(0, 100).Select(number => api.Acme.PatchEnvAsync("stuck", $$$"""{"env": {"N{{{number}}}": "1"}}"""))];
            await Database.WaitersAsync(PerStackLimit.Requests);

            // A limit well below the lock timeout: whoever has to wait for a connection of the stuck stack is late.
            using var soon = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            for (var number = 0; number < 20; number++)
            {
                var served = await api.Acme.PatchEnvAsync("other", $$$"""{"env": {"N": "{{{number}}}"}}""", soon.Token);
                Assert.Equal(HttpStatusCode.OK, served.StatusCode);
            }

            await WaitForBusyAsync(hammering, hammering.Length - Held, soon.Token);
        }

        var statuses = (await Task.WhenAll(hammering)).CountBy(static answer => answer.StatusCode).ToDictionary();
        Assert.Equal(new() { [HttpStatusCode.OK] = Held, [HttpStatusCode.ServiceUnavailable] = hammering.Length - Held }, statuses);
    }

    [Fact]
    public async Task Too_many_at_once_are_told_to_come_back()
    {
        var stuck = await InsertAsync("shop");
        var transcript = new Transcript();
        await using (await Database.LockAsync(stuck))
        {
            var requests = Enumerable.Range(0, Held + 1).Select(_ => Api.Acme.PatchEnvAsync("shop", """{"env": {"A": "1"}}""")).ToList();
            var refused = await Task.WhenAny(requests);

            await transcript.AddAsync(await refused, """{"env": {"A": "1"}}""");
            Assert.Equal(1, requests.Count(static request => request.IsCompleted));
        }

        await Verifier.Verify(transcript.ToString());
    }

    [Fact]
    public async Task Requests_of_another_team_and_those_without_a_token_take_no_place()
    {
        var stuck = await InsertAsync("shop");
        await using (await Database.LockAsync(stuck))
        {
            var waiting = Enumerable.Range(0, Held).Select(_ => Api.Acme.PatchEnvAsync("shop", """{"env": {"A": "1"}}""")).ToList();
            await Database.WaitersAsync(PerStackLimit.Requests);

            var globex = await Api.Globex.PatchEnvAsync("shop", """{"env": {"A": "1"}}""");
            var nobody = await Api.Nobody.PatchEnvAsync("shop", """{"env": {"A": "1"}}""");

            Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.Unauthorized), (globex.StatusCode, nobody.StatusCode));
            Assert.DoesNotContain(waiting, static request => request.IsCompleted);
        }
    }

    [Fact]
    public async Task A_caller_who_gives_up_writes_nothing_and_makes_no_noise()
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

    private static async Task WaitForBusyAsync(Task<HttpResponseMessage>[] requests, int count, CancellationToken cancellationToken)
    {
        var refused = 0;
        await foreach (var request in Task.WhenEach(requests).WithCancellation(cancellationToken))
        {
            Assert.Equal("busy", await (await request).ErrorAsync());
            if (++refused == count)
            {
                return;
            }
        }
    }
}
