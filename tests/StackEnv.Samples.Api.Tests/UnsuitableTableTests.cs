using System.Net;
using System.Net.Http.Json;

namespace StackEnv.Samples.Api.Tests;

/// <summary>The one failure of a merge that no repeat cures: the client is not asked for one, and learns nothing about the table.</summary>
public sealed class UnsuitableTableTests : ApiTest
{
    [Theory]
    [InlineData("ALTER TABLE stacks DROP CONSTRAINT stacks_slug_key")]
    [InlineData("ALTER TABLE stacks ALTER COLUMN env_vars DROP DEFAULT, ALTER COLUMN env_vars TYPE json")]
    [InlineData("ALTER TABLE stacks ALTER COLUMN updated_at TYPE timestamp")]
    [InlineData(
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.env_vars = ''[]''; RETURN NEW; END'; " +
        "CREATE TRIGGER act BEFORE UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION act()")]
    public async Task An_unsuitable_table_is_a_500_without_Retry_After(string harm)
    {
        var id = await InsertAsync("shop", """{"A": "1"}""");
        await Database.ExecuteAsync(harm);
        var before = await Database.FootprintAsync(id);

        var answer = await Api.Acme.PatchAsJsonAsync("/stacks/shop/env", new { env = new Dictionary<string, string> { ["A"] = "2" } });

        Assert.Equal((HttpStatusCode.InternalServerError, "unsuitable_table"), (answer.StatusCode, await answer.ErrorAsync()));
        Assert.Null(answer.Headers.RetryAfter);
        Assert.DoesNotMatch("stacks|ALTER|INDEX|slug|updated_at|env_vars", await answer.Content.ReadAsStringAsync());
        Assert.Equal((before, 0), (await Database.FootprintAsync(id), await AuditRowsAsync()));
    }
}
