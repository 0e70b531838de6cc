using System.Net;

namespace StackEnv.Samples.Api.Tests;

/// <summary>The routes around the merge.</summary>
public sealed class StacksTests : ApiTest
{
    private readonly Transcript _transcript = new();

    [Fact]
    public async Task The_life_of_a_stack()
    {
        await _transcript.SendAsync(Api.Acme, "POST", "/stacks", """{"slug": "shop"}""");
        await _transcript.SendAsync(Api.Acme, "GET", "/stacks/shop");
        await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", """{"env": {"LOG_LEVEL": "debug", "API_TOKEN": "hidden"}}""");
        await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", """{"env": {"LOG_LEVEL": ""}}""");
        await _transcript.SendAsync(Api.Acme, "GET", "/stacks/shop/env");
        await _transcript.SendAsync(Api.Acme, "DELETE", "/stacks/shop");
        await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", """{"env": {"LOG_LEVEL": "info"}}""");
        await _transcript.SendAsync(Api.Acme, "GET", "/stacks/shop");
        await _transcript.SendAsync(Api.Acme, "DELETE", "/stacks/shop");
        await _transcript.SendAsync(Api.Acme, "GET", "/stacks/shop/audit");

        await Verifier.Verify(_transcript.ToString());
    }

    [Fact]
    public async Task Values_that_are_not_strings_are_shown_as_JSON()
    {
        var deep = new string('[', 200) + new string(']', 200);
        await InsertAsync("shop", $$"""{"NUMBER": 3, "NOTHING": null, "DEEP": {{deep}}, "SIGNING_KEY": 4}""");

        var env = (await (await Api.Acme.GetAsync(new Uri("/stacks/shop/env", UriKind.Relative))).JsonAsync()).GetProperty("env");

        Assert.Equal($$"""{"DEEP":"{{deep}}","NOTHING":"null","NUMBER":"3","SIGNING_KEY":"***"}""", env.GetRawText());
    }

    [Fact]
    public async Task A_slug_is_taken_once()
    {
        await InsertAsync("shop", team: GlobexTeam);

        await _transcript.SendAsync(Api.Acme, "POST", "/stacks", """{"slug": "shop"}""");

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(GlobexTeam, await Database.ScalarAsync<Guid>("SELECT team_id FROM stacks"));
    }

    [Fact]
    public async Task What_is_not_a_new_stack()
    {
        foreach (var body in new[]
        {
            "",
            "[]",
            "{}",
            """{"slug": 1}""",
            """{"slug": null}""",
            """{"slug": ""}""",
            """{"slug": "Shop"}""",
            """{"slug": "-shop"}""",
            """{"slug": "shop\n"}""",
            """{"slug": "a/b"}""",
            $$"""{"slug": "{{new string('x', 64)}}"}""",
        })
        {
            var answer = await _transcript.SendAsync(Api.Acme, "POST", "/stacks", body);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }

        await Verifier.Verify(_transcript.ToString());
    }

    [Theory]
    [InlineData("GET", "")]
    [InlineData("DELETE", "")]
    [InlineData("GET", "/env")]
    [InlineData("GET", "/audit")]
    public async Task Another_teams_stack_is_not_there(string method, string suffix)
    {
        await InsertAsync("shop", """{"A": "1"}""", team: GlobexTeam);
        var before = await Database.ScalarAsync<string>("SELECT stacks::text FROM stacks");

        var theirs = await _transcript.SendAsync(Api.Acme, method, "/stacks/shop" + suffix);
        var none = await _transcript.SendAsync(Api.Acme, method, "/stacks/none" + suffix);

        Assert.Equal((HttpStatusCode.NotFound, "not_found"), (theirs.StatusCode, await theirs.ErrorAsync()));
        Assert.Equal(await none.Content.ReadAsStringAsync(), await theirs.Content.ReadAsStringAsync());
        Assert.Equal(before, await Database.ScalarAsync<string>("SELECT stacks::text FROM stacks"));
    }

    [Fact]
    public async Task Paths_and_methods_that_do_not_exist()
    {
        await _transcript.SendAsync(Api.Acme, "GET", "/nowhere");
        await _transcript.SendAsync(Api.Acme, "PUT", "/stacks/shop/env", "{}");
        await _transcript.SendAsync(Api.Acme, "DELETE", "/stacks");

        await Verifier.Verify(_transcript.ToString());
    }

    [Fact]
    public async Task Health_needs_no_token()
    {
        await _transcript.SendAsync(Api.Nobody, "GET", "/healthz");

        await Verifier.Verify(_transcript.ToString());
    }
}
