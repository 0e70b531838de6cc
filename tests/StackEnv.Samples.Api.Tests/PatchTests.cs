using System.Net;
using StackEnv.LocalPostgres;

namespace StackEnv.Samples.Api.Tests;

/// <summary><c>PATCH /stacks/{slug}/env</c>: each row of the contract that does not need trouble in the database.</summary>
public sealed class PatchTests : ApiTest
{
    private const string Stored = """
        {"LOG_LEVEL": "debug", "OLD_FLAG": "1", "API_TOKEN": "hidden",
         "DATABASE_URL": "postgres://u:hidden@db/shop", "SMTP_PASSWORD": "vault://kv/smtp", "RETRIES": 3}
        """;

    private readonly Transcript _transcript = new();

    [Fact]
    public async Task A_change_answers_with_the_whole_set_redacted_and_exact_counts()
    {
        var id = await InsertAsync("shop", Stored);

        await PatchAsync("""{"env": {"LOG_LEVEL": "info", "OLD_FLAG": "", "NEVER_SET": "", "NEW_SECRET": "hidden"}}""");

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(
            """{"RETRIES": 3, "API_TOKEN": "hidden", "LOG_LEVEL": "info", "NEW_SECRET": "hidden", """ +
            "\"DATABASE_URL\": \"postgres://u:hidden@db/shop\", \"SMTP_PASSWORD\": \"vault://kv/smtp\"}",
            await Database.EnvAsync(id));
    }

    [Fact]
    public async Task What_is_stored_already_is_not_written()
    {
        var id = await InsertAsync("shop", Stored);
        var before = await Database.FootprintAsync(id);

        await PatchAsync("""{"env": {"LOG_LEVEL": "debug", "NEVER_SET": ""}}""");
        await PatchAsync("""{"env": {}}""");

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task Null_deletes_as_an_empty_string_does()
    {
        var id = await InsertAsync("shop", """{"A": "1", "B": "2", "C": "3"}""");

        var answer = await Api.Acme.PatchEnvAsync("shop", """{"env": {"A": null, "B": ""}}""");

        Assert.Equal(2, (await answer.JsonAsync()).GetProperty("keys_deleted").GetInt32());
        Assert.Equal("""{"C": "3"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task Bodies_that_are_refused()
    {
        var id = await InsertAsync("shop", Stored);
        var before = await Database.FootprintAsync(id);

        foreach (var body in new[]
        {
            "", "   ", "not json", """{"env": {"A": "1"}""", """{"env": {"A": "1",}}""", """{"env": {"A": "1"}} {}""",
            "null", "[]", "\"text\"", "42",
            "{}", """{"other": {}}""", """{"env": null}""",
            """{"env": []}""", """{"env": "A=1"}""", """{"env": {"A": 1}}""", """{"env": {"A": true}}""", """{"env": {"A": {"B": "1"}}}""",
            """{"env": {"A": "1", "A": "2"}}""", """{"env": {"A": "1"}, "env": {"B": "2"}}""", """{"env": {"A": "1"}, "Env": {"B": "2"}}""",
            """{"env": {"A": "\ud800"}}""", """{"env": {"\udc00": "1"}}""",
        })
        {
            await PatchAsync(body);
        }

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task Bytes_that_are_not_UTF_8_are_refused()
    {
        await InsertAsync("shop");
        using var body = new ByteArrayContent([.. "{\"env\": {\"A\": \""u8, 0xC3, 0x28, .. "\"}}"u8]);
        body.Headers.ContentType = new("application/json");

        var answer = await Api.Acme.PatchAsync(new Uri("/stacks/shop/env", UriKind.Relative), body);

        Assert.Equal((HttpStatusCode.BadRequest, "invalid_body"), (answer.StatusCode, await answer.ErrorAsync()));
    }

    [Fact]
    public async Task Keys_and_values_that_are_refused()
    {
        var id = await InsertAsync("shop", Stored);
        var before = await Database.FootprintAsync(id);

        foreach (var key in new[] { "", "lower", "1ST", "WITH SPACE", "ÜBER", "LINE\\nBREAK" })
        {
            await PatchAsync($$$"""{"env": {"GOOD": "1", "{{{key}}}": "1"}}""");
        }

        await PatchAsync("""{"env": {"GOOD": "1", "NUL": "before\u0000after"}}""");

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_set_and_a_request_that_are_too_large()
    {
        var id = await InsertAsync("shop", $$"""{"BIG": "{{new string('x', 60_000)}}"}""");
        var before = await Database.FootprintAsync(id);

        using var mergedSet = Request(new string('x', 6_000));
        using var changesAlone = Request(new string('x', 70_000));
        using var request = Request(new string('x', ApiHost.MaxRequestBytes));
        using var chunked = Request(new string('x', ApiHost.MaxRequestBytes));
        chunked.Headers.TransferEncodingChunked = true;
        await _transcript.SendAsync(Api.Acme, mergedSet, "(6,000 bytes on top of 60,000)");
        await _transcript.SendAsync(Api.Acme, changesAlone, "(70,000 bytes)");
        await _transcript.SendAsync(Api.Acme, request, "(more than 262,144 bytes)");
        await _transcript.SendAsync(Api.Acme, chunked, "(more than 262,144 bytes, in chunks)");

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_stack_in_teardown()
    {
        var id = await InsertAsync("shop", Stored, status: "deleting");
        var before = await Database.FootprintAsync(id);

        await PatchAsync("""{"env": {"A": "1"}}""");

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task No_stack_and_another_teams_stack_look_the_same()
    {
        var id = await InsertAsync("shop", Stored, team: GlobexTeam);
        await InsertAsync("going", Stored, status: "deleting", team: GlobexTeam);
        await StacksTable.InsertAsync(Database.DataSource, "nobodys");
        var before = await Database.FootprintAsync(id);

        var none = await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/none/env", """{"env": {"A": "1"}}""");
        var others = new[] { "shop", "going", "nobodys", "%E2%82%AC", new string('x', 3000) };

        await Verifier.Verify(_transcript.ToString());
        foreach (var slug in others)
        {
            var answer = await Api.Acme.PatchEnvAsync(slug, """{"env": {"A": "1"}}""");
            Assert.Equal(
                (none.StatusCode, await none.Content.ReadAsStringAsync()), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
        }

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task Reading_shows_values_that_are_not_strings_as_JSON_and_hides_what_is_not_known_to_be_harmless()
    {
        var deep = new string('[', 200) + new string(']', 200);
        await InsertAsync("shop", $$"""{"NUMBER": 3, "FLAG": true, "NOTHING": null, "DEEP": {{deep}}, "SIGNING_KEY": 4}""");

        var answer = await (await Api.Acme.GetAsync(new Uri("/stacks/shop/env", UriKind.Relative))).JsonAsync();

        Assert.Equal(
            """{"ok":true,"env":{"DEEP":"***","FLAG":"true","NOTHING":"null","NUMBER":"3","SIGNING_KEY":"***"},"total":5}""",
            answer.GetRawText());
    }

    [Fact]
    public async Task Reading_another_teams_stack_looks_like_reading_none()
    {
        await InsertAsync("shop", Stored, team: GlobexTeam);

        var theirs = await _transcript.SendAsync(Api.Acme, "GET", "/stacks/shop/env");
        var none = await _transcript.SendAsync(Api.Acme, "GET", "/stacks/none/env");

        Assert.Equal((HttpStatusCode.NotFound, "not_found"), (theirs.StatusCode, await theirs.ErrorAsync()));
        Assert.Equal(await none.Content.ReadAsStringAsync(), await theirs.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Callers_without_a_token()
    {
        var id = await InsertAsync("shop", Stored);
        var before = await Database.FootprintAsync(id);

        await _transcript.SendAsync(Api.Anonymous, "PATCH", "/stacks/shop/env", """{"env": {"A": "1"}}""");

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData("Bearer nobodys-token")]
    [InlineData("Bearer ACME-DEV-TOKEN")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Basic acme-dev-token")]
    [InlineData("acme-dev-token")]
    [InlineData("Bearer acme-dev-token, Bearer acme-dev-token")]
    public async Task An_unknown_token_is_refused(string authorization)
    {
        await InsertAsync("shop");
        Api.Anonymous.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", authorization);

        var answer = await Api.Anonymous.PatchEnvAsync("shop", """{"env": {"A": "1"}}""");

        Assert.Equal((HttpStatusCode.Unauthorized, "unauthorized"), (answer.StatusCode, await answer.ErrorAsync()));
    }

    [Theory]
    [InlineData("PATCH", "/stacks/shop/env", "text/plain")]
    [InlineData("PATCH", "/stacks/none/env", "application/json")]
    [InlineData("PUT", "/stacks/shop/env", "application/json")]
    [InlineData("GET", "/stacks/shop/env", null)]
    [InlineData("HEAD", "/stacks/shop/env", null)]
    [InlineData("GET", "/nowhere", null)]
    public async Task The_token_is_asked_for_before_anything_else(string method, string path, string? mediaType)
    {
        await InsertAsync("shop");

        var answer = await _transcript.SendAsync(Api.Anonymous, method, path, mediaType is null ? null : "not json", mediaType);

        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer", answer.Headers.WwwAuthenticate.ToString());
    }

    private async Task PatchAsync(string body) => await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", body);

    // Waiting for "100 Continue" lets the server refuse before the body is sent, so that the answer is never lost in a connection reset.
    private static HttpRequestMessage Request(string value) => new(HttpMethod.Patch, new Uri("/stacks/shop/env", UriKind.Relative))
    {
        Content = JsonHttp.Content($$$"""{"env": {"MORE": "{{{value}}}"}}"""),
        Headers = { ExpectContinue = true },
    };
}
