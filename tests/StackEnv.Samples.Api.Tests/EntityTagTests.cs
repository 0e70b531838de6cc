using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

namespace StackEnv.Samples.Api.Tests;

/// <summary><c>ETag</c> and <c>If-Match</c>: who read a stack changes only what was read (RFC 9110, section 13).</summary>
public sealed class EntityTagTests : ApiTest
{
    [Fact]
    public async Task Of_two_editors_of_the_same_version_one_gets_412_and_no_edit_is_lost()
    {
        const int Rounds = 1_000;
        await InsertAsync("shop", """{"EDITS": "0"}""");
        var (edits, refused) = (0, 0);

        for (var round = 0; round < Rounds; round++)
        {
            var both = await Task.WhenAll(ReadAsync(), ReadAsync());
            var answers = await Task.WhenAll(both.Select(read => EditAsync(read.ETag, read.Edits + 1)));
            edits += answers.Count(static status => status is HttpStatusCode.OK);
            refused += answers.Count(static status => status is HttpStatusCode.PreconditionFailed);
        }

        Assert.Equal((Rounds, Rounds), (edits, refused));
        Assert.Equal(Rounds, (await ReadAsync()).Edits);
    }

    [Fact]
    public async Task A_read_and_a_change_show_the_version()
    {
        await InsertAsync("shop", """{"LOG_LEVEL": "debug"}""");

        var before = (await ReadAsync("LOG_LEVEL")).ETag;
        using var changed = await Api.Acme.PatchEnvAsync("shop", """{"env": {"LOG_LEVEL": "info"}}""");
        using var unchanged = await Api.Acme.PatchEnvAsync("shop", """{"env": {"LOG_LEVEL": "info"}}""");
        using var head = await Api.Acme.SendAsync(new(HttpMethod.Head, "/stacks/shop/env"));

        Assert.Equal(
            ("\"0\"", "\"1\"", "\"1\"", "\"1\""),
            (before, changed.Headers.ETag!.Tag, unchanged.Headers.ETag!.Tag, head.Headers.ETag!.Tag));
    }

    [Theory]
    [InlineData("\"0\"", HttpStatusCode.OK)]
    [InlineData("*", HttpStatusCode.OK)]
    [InlineData("\"1\"", HttpStatusCode.PreconditionFailed)]
    [InlineData("W/\"0\"", HttpStatusCode.PreconditionFailed)]
    [InlineData("\"of another server\"", HttpStatusCode.PreconditionFailed)]
    [InlineData("\"0\", \"1\"", HttpStatusCode.BadRequest)]
    [InlineData("0", HttpStatusCode.BadRequest)]
    public async Task Only_the_tag_of_the_stored_version_lets_a_change_pass(string ifMatch, HttpStatusCode expected)
    {
        var id = await InsertAsync("shop", """{"LOG_LEVEL": "debug"}""");
        var before = await Database.FootprintAsync(id);

        var status = await EditAsync(ifMatch, 1);

        Assert.Equal(expected, status);
        Assert.Equal(expected is HttpStatusCode.OK, before != await Database.FootprintAsync(id));
    }

    private async Task<(string ETag, int Edits)> ReadAsync(string key = "EDITS")
    {
        using var answer = await Api.Acme.GetAsync(new Uri("/stacks/shop/env", UriKind.Relative));
        var env = (await answer.JsonAsync()).GetProperty("env");
        return (
            answer.Headers.ETag!.Tag,
            int.TryParse(env.GetProperty(key).GetString(), CultureInfo.InvariantCulture, out var edits) ? edits : 0);
    }

    private async Task<HttpStatusCode> EditAsync(string ifMatch, int edits)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, "/stacks/shop/env")
        {
            Content = new StringContent(
                JsonSerializer.Serialize(new { env = new { EDITS = $"{edits}" } }), Encoding.UTF8, "application/json"),
        };
        Assert.True(request.Headers.TryAddWithoutValidation("If-Match", ifMatch));
        using var answer = await Api.Acme.SendAsync(request);
        return answer.StatusCode;
    }
}
