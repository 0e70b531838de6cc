using System.Net;

namespace StackEnv.Samples.Api.Tests;

/// <summary>What the API says of itself.</summary>
public sealed class DocumentTests : ApiTest
{
    [Fact]
    public async Task The_OpenAPI_document()
    {
        var document = await Api.Anonymous.GetStringAsync(new Uri("/openapi/v1.json", UriKind.Relative));

        await Verifier.Verify(document.Replace(Api.Anonymous.BaseAddress!.ToString(), "{url}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_reference_page_is_served_from_here()
    {
        var page = await Api.Anonymous.GetAsync(new Uri("/scalar/", UriKind.Relative));
        var script = await Api.Anonymous.GetAsync(new Uri("/scalar/scalar.js", UriKind.Relative));

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (page.StatusCode, script.StatusCode));
        Assert.DoesNotContain("://", await page.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }
}
