using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace StackEnv.Samples.Api.Tests;

/// <summary>
/// The public Go SDK of this contract, replayed: how <c>UpdateStackEnv</c> sends, and the members that its result and its error type read.
/// </summary>
public sealed class ClientTests() : ApiTest("--StackEnvMerge:LockTimeout=00:00:00.3")
{
    [Fact]
    public async Task An_update_is_understood_and_its_result_can_be_read()
    {
        var id = await InsertAsync("stk-abc123", """{"OLD_FLAG": "1", "KEPT": "1"}""");

        var answer = await UpdateStackEnvAsync("stk-abc123", new() { ["LOG_LEVEL"] = "debug", ["OLD_FLAG"] = "" });

        var result = await answer.JsonAsync();
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.True(result.GetProperty("ok").GetBoolean());
        Assert.Equal("""{"KEPT":"1","LOG_LEVEL":"debug"}""", result.GetProperty("env").GetRawText());
        Assert.Contains("Redeploy", result.GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal("""{"KEPT": "1", "LOG_LEVEL": "debug"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_stack_in_teardown_is_the_conflict_that_it_looks_for()
    {
        await InsertAsync("stk-abc123", status: "deleting");

        var answer = await UpdateStackEnvAsync("stk-abc123", new() { ["K"] = "v" });

        Assert.Equal((HttpStatusCode.Conflict, "stack_deleting", null), await ErrorOfAsync(answer));
    }

    [Fact]
    public async Task It_reads_in_the_body_how_long_to_wait_and_the_header_says_the_same()
    {
        var id = await InsertAsync("stk-abc123");
        await using var held = await Database.LockAsync(id);

        var answer = await UpdateStackEnvAsync("stk-abc123", new() { ["K"] = "v" });

        Assert.Equal((HttpStatusCode.ServiceUnavailable, "lock_timeout", 1), await ErrorOfAsync(answer));
        Assert.Equal(TimeSpan.FromSeconds(1), answer.Headers.RetryAfter!.Delta);
    }

    [Fact]
    public async Task A_permanent_failure_has_no_Retry_After()
    {
        await InsertAsync("stk-abc123");
        await Database.ExecuteAsync("ALTER TABLE stacks RENAME COLUMN env_vars TO vars");

        var answer = await UpdateStackEnvAsync("stk-abc123", new() { ["K"] = "v" });

        Assert.Equal((HttpStatusCode.InternalServerError, "persist_failed", null), await ErrorOfAsync(answer));
        Assert.Null(answer.Headers.RetryAfter);
    }

    // As Go's encoding/json writes it (sorted keys, no spaces), with the headers of the SDK.
    private async Task<HttpResponseMessage> UpdateStackEnvAsync(string slug, SortedDictionary<string, string> env)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, new Uri($"/stacks/{Uri.EscapeDataString(slug)}/env", UriKind.Relative))
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(
                new JsonObject { ["env"] = JsonSerializer.SerializeToNode(env) }.ToJsonString())),
        };
        request.Content.Headers.ContentType = new("application/json");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", RunningApi.AcmeToken);
        request.Headers.Accept.ParseAdd("application/json");
        return await Api.Anonymous.SendAsync(request);
    }

    // The SDK's error type: error and message are strings, retry_after_seconds is a whole number or not there.
    private static async Task<(HttpStatusCode Status, string? Error, int? RetryAfterSeconds)> ErrorOfAsync(HttpResponseMessage answer)
    {
        var body = await answer.JsonAsync();
        Assert.False(body.GetProperty("ok").GetBoolean());
        Assert.NotEqual("", body.GetProperty("message").GetString());
        return (
            answer.StatusCode,
            body.GetProperty("error").GetString(),
            body.TryGetProperty("retry_after_seconds", out var seconds) ? seconds.GetInt32() : null);
    }
}
