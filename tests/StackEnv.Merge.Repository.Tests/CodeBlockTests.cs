using System.Net;
using System.Net.Http.Json;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>The documents' code, as a user would paste it into an empty project that restores the package.</summary>
[Collection(PackedLibrary.Collection)]
public sealed class CodeBlockTests(PackedLibrary packed) : DatabaseTest
{
    [Fact]
    public void Every_code_block_of_the_documents_is_run_or_of_a_language_that_is_only_read()
    {
        var blocks = Document.Pages().SelectMany(static page => page.Blocks).Select(static block => block.Place).ToArray();

        Assert.Equal(
            blocks.Where(static block => block is { Language: "csharp", Document: not RecipePageTests.Page }).ToHashSet(),
            Consumer.All.Select(static consumer => consumer.Block).ToHashSet());
        Assert.Equal(
            blocks.Where(static block => block.Language is "sql").ToHashSet(),
            [SqlBlockTests.TheTable, SqlBlockTests.ToJsonb, SqlBlockTests.Grants, SqlBlockTests.WhoHoldsARow]);
        Assert.All(blocks, static block => Assert.Contains(block.Language, (string[])["csharp", "sql", "sh", "mermaid", "yaml", "json"]));
    }

    [Fact]
    public void Every_program_of_the_documents_says_which_project_and_packages_it_needs()
    {
        var programs = Consumer.All.Where(static consumer => consumer.Caller is null).Select(static consumer => consumer.Block).ToHashSet();

        Assert.All(
            Document.Pages().SelectMany(static page => page.Blocks).Where(block => programs.Contains(block.Place)),
            static block => Assert.Equal(
                (true, true), (block.Template is not null, block.Packages.Contains(PackedLibrary.Library, StringComparer.Ordinal))));
    }

    [Fact]
    public async Task The_readmes_first_program_merges_in_an_empty_console_project()
    {
        var output = await packed.RunAsync(Consumer.Console, Database.ConnectionString);

        Assert.Equal("2 set, 1 deleted, 2 in all", output.Trim());
        Assert.Equal(
            """{"API_TOKEN": "s3cr3t", "LOG_LEVEL": "info"}""",
            await Database.ScalarAsync<string>("SELECT env_vars::text FROM example_stacks WHERE slug = 'shop'"));
    }

    [Fact]
    public async Task The_program_of_the_packages_page_merges_in_an_empty_console_project()
    {
        await InsertAsync("shop", "healthy");

        var output = await packed.RunAsync(Consumer.Package, "", Database.ConnectionString);

        Assert.Equal("1 set, 1 deleted, 1 in all", output.Trim());
    }

    [Fact]
    public async Task The_readmes_web_host_merges_what_a_request_brings_and_maps_failures_to_statuses()
    {
        await InsertAsync("shop", "healthy");
        await InsertAsync("gone", "deleting");
        await using var host = packed.Start(Consumer.Web, Database.ConnectionString);
        using var client = new HttpClient { BaseAddress = new(await host.AfterAsync("Now listening on:")) };

        using var merged = await client.PatchAsJsonAsync("/stacks/shop/env", Changes(("LOG_LEVEL", "info"), ("OLD_FLAG", "")));
        using var notFound = await client.PatchAsJsonAsync("/stacks/nowhere/env", Changes(("A", "1")));
        using var deleting = await client.PatchAsJsonAsync("/stacks/gone/env", Changes(("A", "1")));
        using var badKey = await client.PatchAsJsonAsync("/stacks/shop/env", Changes(("bad key", "1")));
        using var tooLarge = await client.PatchAsJsonAsync("/stacks/shop/env", Changes(("A", new string('x', 65_536))));

        Assert.Equal("""{"keysSet":1,"keysDeleted":1,"totalAfter":1}""", await merged.Content.ReadAsStringAsync());
        Assert.Equal("""{"LOG_LEVEL": "info"}""", await EnvAsync("shop"));
        Assert.Equal(
            [
                HttpStatusCode.OK,
                HttpStatusCode.NotFound,
                HttpStatusCode.Conflict,
                HttpStatusCode.BadRequest,
                HttpStatusCode.RequestEntityTooLarge,
            ],
            [merged.StatusCode, notFound.StatusCode, deleting.StatusCode, badKey.StatusCode, tooLarge.StatusCode]);
        Assert.Contains("\"title\":\"stack_deleting\"", await deleting.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_worker_of_the_page_about_hosting_merges_by_itself_and_retries_soon_if_the_failure_is_transient()
    {
        await InsertAsync("shop", "healthy");
        await Database.ExecuteAsync("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END $$;
            CREATE TRIGGER refuse BEFORE UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION refuse();
            """);
        await using var host = packed.Start(Consumer.Worker, Database.ConnectionString);

        var failure = await host.AfterAsync("Could not rotate the token of shop:");
        await Database.ExecuteAsync("DROP TRIGGER refuse ON stacks");
        var success = await host.AfterAsync("Rotated the token of shop:");

        Assert.Equal(("store_error", "1 set, 0 deleted, 3 in all"), (failure, success));
        Assert.Matches(
            "^[0-9A-F]{32}$", await Database.ScalarAsync<string>("SELECT env_vars->>'API_TOKEN' FROM stacks WHERE slug = 'shop'"));
    }

    [Fact]
    public async Task The_journals_of_their_page_write_in_the_merges_transaction_or_roll_it_back()
    {
        await InsertAsync("shop", "healthy");
        await Database.ExecuteAsync(
            "CREATE TABLE audit_log (kind text, resource text, metadata jsonb); CREATE TABLE outbox (topic text, payload jsonb)");
        var notified = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var listener = await Database.DataSource.OpenConnectionAsync();
        listener.Notification += (_, notification) => notified.TrySetResult(notification.Payload);
        await using (var listen = listener.CreateCommand())
        {
            listen.CommandText = "LISTEN stack_env_merged";
            await listen.ExecuteNonQueryAsync();
        }

        await using var host = packed.Start(Consumer.Journals, Database.ConnectionString);
        using var client = new HttpClient { BaseAddress = new(await host.AfterAsync("Now listening on:")) };

        var answer = await (await client.DeleteAsync(new Uri("/stacks/shop/env/OLD_FLAG", UriKind.Relative))).Content.ReadAsStringAsync();
        while (!notified.Task.IsCompleted)
        {
            await listener.WaitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(30)).Token);
        }

        await Database.ExecuteAsync("DROP TABLE outbox");
        using var refused = await client.DeleteAsync(new Uri("/stacks/shop/env/LOG_LEVEL", UriKind.Relative));

        Assert.Equal(("0 set, 1 deleted, 1 in all", "shop"), (answer, await notified.Task));
        Assert.Equal(HttpStatusCode.InternalServerError, refused.StatusCode);
        Assert.Equal(
            """stack.env.updated shop {"keys_set": 0, "total_after": 1, "keys_deleted": 1}""",
            await Database.ScalarAsync<string>("SELECT string_agg(concat_ws(' ', kind, resource, metadata), ', ') FROM audit_log"));
        Assert.Equal("""{"LOG_LEVEL": "debug"}""", await EnvAsync("shop"));
    }

    [Fact]
    public async Task The_host_with_telemetry_starts()
    {
        await using var host = packed.Start(Consumer.Telemetry, Database.ConnectionString);

        Assert.StartsWith("http://127.0.0.1:", await host.AfterAsync("Now listening on:"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_read_modify_write_with_Entity_Framework_and_the_merge_that_replaces_it_do_the_same()
    {
        var (team, before, after) = (Guid.NewGuid(), await InsertAsync("before", "healthy"), await InsertAsync("after", "healthy"));
        await Database.ExecuteAsync("UPDATE stacks SET team_id = $1", team);

        var outputs = (
            (await packed.RunAsync(Consumer.WithEntityFramework, Database.ConnectionString, $"{team}", $"{before}")).Trim(),
            (await packed.RunAsync(Consumer.WithTheLibrary, Database.ConnectionString, $"{team}", $"{after}")).Trim());

        Assert.Equal(("[LOG_LEVEL, info]", "[LOG_LEVEL, info]"), outputs);
        Assert.Equal(("""{"LOG_LEVEL": "info"}""", """{"LOG_LEVEL": "info"}"""), (await EnvAsync("before"), await EnvAsync("after")));
    }

    [Fact]
    public async Task The_statements_with_Dapper_do_the_same_too()
    {
        var (team, id) = (Guid.NewGuid(), await InsertAsync("shop", "healthy"));
        await Database.ExecuteAsync("UPDATE stacks SET team_id = $1", team);

        await packed.RunAsync(Consumer.WithDapper, Database.ConnectionString, $"{team}", $"{id}");

        Assert.Equal("""{"LOG_LEVEL": "info"}""", await EnvAsync("shop"));
    }

    private Task<Guid> InsertAsync(string slug, string status) => Database.ScalarAsync<Guid>(
        """INSERT INTO stacks (slug, status, env_vars) VALUES ($1, $2, '{"LOG_LEVEL": "debug", "OLD_FLAG": "1"}') RETURNING id""", slug,
        status);

    private Task<string?> EnvAsync(string slug) => Database.ScalarAsync<string>("SELECT env_vars::text FROM stacks WHERE slug = $1", slug);
}
