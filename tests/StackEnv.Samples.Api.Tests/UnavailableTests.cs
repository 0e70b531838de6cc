using System.Net;
using Npgsql;

namespace StackEnv.Samples.Api.Tests;

/// <summary>
/// The 503s, which promise that a repeat may succeed and when, and the 500s, which do not. Only an unknown outcome may have written.
/// </summary>
public sealed class UnavailableTests() : ApiTest("--StackEnvMerge:LockTimeout=00:00:01")
{
    private const string Changes = """{"env": {"A": "2"}}""";

    private readonly Transcript _transcript = new();

    [Fact]
    public async Task A_locked_stack()
    {
        var id = await InsertAsync("shop", """{"A": "1"}""");
        var before = await Database.FootprintAsync(id);
        await using (await Database.LockAsync(id))
        {
            await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", Changes);
        }

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal((before, 0), (await Database.FootprintAsync(id), await AuditRowsAsync()));
    }

    [Fact]
    public async Task A_commit_without_an_answer()
    {
        var id = await InsertAsync("shop", """{"A": "1"}""");
        var connectionString = "";
        var (proxy, unused) = WireProxy.InFrontOf(Database.ConnectionString, settings => connectionString = settings.ConnectionString);
        await using var _ = proxy;
        await unused.DisposeAsync();
        await using var api = await RunningApi.StartAsync(connectionString);

        proxy.Arm(WireFault.BeforeServer("COMMIT", WireAction.Close));
        await _transcript.SendAsync(api.Acme, "PATCH", "/stacks/shop/env", Changes);
        await _transcript.SendAsync(api.Acme, "PATCH", "/stacks/shop/env", Changes);

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(("""{"A": "2"}""", 1), (await Database.EnvAsync(id), await AuditRowsAsync()));
    }

    [Theory]
    [InlineData(
        "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''the set is %'', NEW.env_vars; END'; CREATE " +
        "TRIGGER act BEFORE UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION act()")]
    [InlineData("DROP TABLE audit_log")]
    [InlineData("ALTER TABLE audit_log ADD CHECK (kind <> 'stack.env.updated')")]
    [InlineData("ALTER TABLE stacks RENAME COLUMN env_vars TO vars")]
    [InlineData("UPDATE stacks SET env_vars = '[]'")]
    public async Task A_database_that_refuses_the_write(string trouble)
    {
        await InsertAsync("shop", """{"A": "1"}""");
        await Database.ExecuteAsync(trouble);
        const string row = "SELECT concat_ws(' ', ctid, xmin, stacks) FROM stacks";
        var before = await Database.ScalarAsync<string>(row);

        await _transcript.SendAsync(Api.Acme, "PATCH", "/stacks/shop/env", Changes);

        await Verifier.Verify(_transcript.ToString());
        Assert.Equal(before, await Database.ScalarAsync<string>(row));
    }

    [Fact]
    public async Task A_stored_document_that_is_not_an_object_is_not_shown_either()
    {
        await InsertAsync("shop", "[\"hidden\"]");

        var answer = await Api.Acme.GetAsync(new Uri("/stacks/shop/env", UriKind.Relative));

        Assert.Equal((HttpStatusCode.InternalServerError, "persist_failed"), (answer.StatusCode, await answer.ErrorAsync()));
    }

    [Fact]
    public async Task No_database_at_all()
    {
        await using var api = await RunningApi.StartAsync(
            new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = 1 }.ConnectionString);

        await _transcript.SendAsync(api.Acme, "PATCH", "/stacks/shop/env", Changes);
        await _transcript.SendAsync(api.Acme, "GET", "/stacks/shop/env");

        await Verifier.Verify(_transcript.ToString());
    }
}
