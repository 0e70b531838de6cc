using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace StackEnv.Samples.Api.Tests;

/// <summary>What the RFCs ask of any HTTP server: methods, media types, and a problem document for every refusal.</summary>
public sealed class HttpTests : ApiTest
{
    private const string Body = """{"env": {"A": "1"}}""";

    private readonly Transcript _transcript = new();

    [Theory]
    [InlineData("/stacks/shop/env", HttpStatusCode.OK)]
    [InlineData("/stacks/none/env", HttpStatusCode.NotFound)]
    [InlineData("/nowhere", HttpStatusCode.NotFound)]
    [InlineData("/openapi/v1.json", HttpStatusCode.OK)]
    [InlineData("/scalar/", HttpStatusCode.OK)]
    [InlineData("/", HttpStatusCode.OK)]
    public async Task HEAD_answers_as_GET_without_a_body(string path, HttpStatusCode status)
    {
        await InsertAsync("shop", """{"LOG_LEVEL": "debug"}""");
        using var head = new HttpRequestMessage(HttpMethod.Head, new Uri(path, UriKind.Relative));

        var brief = await Api.Acme.SendAsync(head);
        var full = await Api.Acme.GetAsync(new Uri(path, UriKind.Relative));

        Assert.Equal((status, status), (brief.StatusCode, full.StatusCode));
        Assert.Equal(full.Content.Headers.ContentType, brief.Content.Headers.ContentType);
        Assert.Empty(await brief.Content.ReadAsByteArrayAsync());
        Assert.NotEmpty(await full.Content.ReadAsByteArrayAsync());
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/json; charset=UTF-8")]
    [InlineData("Application/JSON; charset=\"utf-8\"")]
    public async Task PATCH_takes_JSON_in_UTF_8(string mediaType)
    {
        var id = await InsertAsync("shop");

        await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", """{"env": {"A": "ü"}}""", mediaType);

        Assert.Equal("""{"A": "ü"}""", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData("application/merge-patch+json")] // there "" is a value, and deletes nothing
    [InlineData("application/json-patch+json")]
    [InlineData("application/vnd.api+json")]
    [InlineData("text/json")]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData("application/json; charset=klingon")]
    [InlineData(null)]
    public async Task PATCH_refuses_every_other_media_type_and_names_the_one_it_takes(string? mediaType)
    {
        var id = await InsertAsync("shop");
        var before = await Database.FootprintAsync(id);

        var answer = await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", Body, mediaType);

        Assert.Equal((HttpStatusCode.UnsupportedMediaType, "unsupported_media_type"), (answer.StatusCode, await answer.ErrorAsync()));
        Assert.Equal(["application/json"], answer.Headers.GetValues("Accept-Patch"));
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData("""{"env": {"A": "1"}, "dry_run": true}""", "$.dry_run")]
    [InlineData("""{"comment": [1, {"a": null}], "env": {"A": "1"}}""", "$.comment")]
    [InlineData("""{"vars": {"A": "1"}}""", "$.vars")]
    public async Task An_unknown_member_is_refused_and_named(string body, string member)
    {
        var id = await InsertAsync("shop");
        var before = await Database.FootprintAsync(id);

        var answer = await Api.Acme.PatchEnvAsync("shop", body);

        Assert.Equal((HttpStatusCode.BadRequest, "invalid_body"), (answer.StatusCode, await answer.ErrorAsync()));
        Assert.Contains(member, (await answer.JsonAsync()).GetProperty("detail").GetString(), StringComparison.Ordinal);
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData("GET /stacks/%00/env HTTP/1.1\r\nHost: x\r\n\r\n", 400)]
    [InlineData("PATCH /stacks/sh%00op/env HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400)]
    [InlineData("GET /stacks/shop/env HTTP/1.1\r\n\r\n", 400)]
    [InlineData("GET /stacks/shop/env HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400)]
    [InlineData("nonsense\r\n\r\n", 400)]
    [InlineData("GET /stacks/shop/env HTTP/3.9\r\nHost: x\r\n\r\n", 505)]
    [InlineData("PATCH /stacks/shop/env HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400)]
    [InlineData("PATCH /stacks/shop/env HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: Bearer acme-dev-token\r\n" +
        "Content-Type: application/json\r\n\r\nzz\r\n", 400)]
    public async Task What_the_server_refuses_before_the_application_sees_it_is_a_problem_too(string request, int status) =>
        await IsProblemAsync(request, status);

    [Theory]
    [InlineData(9_000, 414)]
    [InlineData(0, 431)]
    public async Task A_request_line_or_a_header_that_is_too_long_is_a_problem_too(int pathLength, int status) => await IsProblemAsync(
        $"GET /{new string('x', pathLength)} HTTP/1.1\r\nHost: x\r\nX: {new string('x', pathLength == 0 ? 40_000 : 1)}\r\n\r\n", status);

    [Fact]
    public async Task Paths_and_methods_that_do_not_exist()
    {
        await _transcript.SendAsync(Api.Acme, "GET", "/nowhere");
        await _transcript.SendAsync(Api.Acme, "PUT", "/stacks/shop/env", "{}");
        await _transcript.SendAsync(Api.Acme, "OPTIONS", "/stacks/shop/env");

        await Verifier.Verify(_transcript.ToString());
    }

    private async Task IsProblemAsync(string request, int status)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, Api.Anonymous.BaseAddress!.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(client.GetStream());
        var answer = await ReadAsync(reader);

        var end = answer.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        var (head, body) = (answer[..end], answer[end..]);
        Assert.StartsWith(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {status} "), head, StringComparison.Ordinal);
        Assert.Contains("\r\nContent-Type: application/problem+json", head, StringComparison.Ordinal);
        using var problem = JsonDocument.Parse(body[body.IndexOf('{', StringComparison.Ordinal)..(body.LastIndexOf('}') + 1)]);
        Assert.Equal(status, problem.RootElement.GetProperty("status").GetInt32());
        Assert.False(problem.RootElement.GetProperty("ok").GetBoolean());
    }

    private static async Task<string> ReadAsync(StreamReader reader)
    {
        var text = new StringBuilder();
        var buffer = new char[1000];
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        try
        {
            while (!text.ToString().Contains('}', StringComparison.Ordinal)
                && await reader.ReadAsync(buffer, patience.Token) is > 0 and var count)
            {
                text.Append(buffer, 0, count);
            }
        }
        catch (IOException)
        {
            // The server closed a connection on which more had been sent than it read.
        }

        return text.ToString();
    }
}
