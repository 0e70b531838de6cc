using System.Net;

namespace StackEnv.Samples.Api.Tests;

/// <summary>The audit row and the merge are there together, or neither is.</summary>
public sealed class AuditTests : ApiTest
{
    [Fact]
    public async Task Each_merge_that_changes_something_has_one_row()
    {
        await InsertAsync("shop", """{"OLD": "1", "A": "0"}""");

        await Api.Acme.PatchEnvAsync("shop", """{"env": {"A": "1", "B": "2", "OLD": "", "NEVER_SET": ""}}""");

        Assert.Equal(
            $$"""
            {{AcmeTeam}} stack.env.updated shop {"keys_set": 2, "keys_deleted": 1, "total_after": 2} ["B"] ["A"] ["OLD"]
            """,
            await Database.ScalarAsync<string>(
                """
                SELECT concat_ws(' ', team_id, kind, resource,
                    format(
                        '{"keys_set": %s, "keys_deleted": %s, "total_after": %s}',
                        metadata->'keys_set', metadata->'keys_deleted', metadata->'total_after'),
                    metadata->'added', metadata->'updated', metadata->'deleted')
                FROM audit_log
                """));
    }

    [Theory]
    [InlineData("shop", """{"env": {"A": "1", "NEVER_SET": ""}}""")]
    [InlineData("going", """{"env": {"A": "2"}}""")]
    [InlineData("theirs", """{"env": {"A": "2"}}""")]
    [InlineData("shop", """{"env": {"bad key": "2"}}""")]
    public async Task A_merge_that_changes_nothing_has_none(string slug, string body)
    {
        await InsertAsync("shop", """{"A": "1"}""");
        await InsertAsync("going", """{"A": "1"}""", status: "deleting");
        await InsertAsync("theirs", """{"A": "1"}""", team: GlobexTeam);

        await Api.Acme.PatchEnvAsync(slug, body);

        Assert.Equal(0, await AuditRowsAsync());
    }

    [Fact]
    public async Task Without_its_row_the_merge_is_not_committed()
    {
        var id = await InsertAsync("shop", """{"A": "1"}""");
        await Database.ExecuteAsync("ALTER TABLE audit_log ADD CHECK ((metadata->>'keys_set')::int < 2)");

        var refused = await Api.Acme.PatchEnvAsync("shop", """{"env": {"A": "2", "B": "2"}}""");
        var accepted = await Api.Acme.PatchEnvAsync("shop", """{"env": {"A": "3"}}""");

        Assert.Equal((HttpStatusCode.InternalServerError, HttpStatusCode.OK), (refused.StatusCode, accepted.StatusCode));
        Assert.Equal(("""{"A": "3"}""", 1), (await Database.EnvAsync(id), await AuditRowsAsync()));
    }

    [Fact]
    public async Task Row_and_write_are_of_one_transaction()
    {
        await InsertAsync("shop");

        await Api.Acme.PatchEnvAsync("shop", """{"env": {"A": "1"}}""");

        Assert.True(await Database.ScalarAsync<bool>("SELECT stacks.xmin = audit_log.xmin FROM stacks, audit_log"));
    }

    [Fact]
    public async Task Side_by_side_the_rows_add_up_to_the_callers_results()
    {
        await InsertAsync("shop");
        await InsertAsync("blog");

        var told = new List<(string Stack, int Total, int Set)>();
        await Parallel.ForAsync(0, 60, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (number, cancellationToken) =>
        {
            var slug = number % 2 == 0 ? "shop" : "blog";
            var answer = await Api.Acme.PatchEnvAsync(slug, $$$"""{"env": {"K{{{number}}}": "1"}}""", cancellationToken);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            var body = await answer.JsonAsync();
            lock (told)
            {
                told.Add((slug, body.GetProperty("total_after").GetInt32(), body.GetProperty("keys_set").GetInt32()));
            }
        });

        foreach (var slug in new[] { "shop", "blog" })
        {
            var rows = await Database.ScalarAsync<string[]>(
                "SELECT array_agg(concat_ws(' ', metadata->'total_after', metadata->'keys_set') ORDER BY id) FROM audit_log " +
                "WHERE resource = $1",
                slug);
            Assert.Equal(
                told.Where(one => string.Equals(one.Stack, slug, StringComparison.Ordinal)).OrderBy(static one => one.Total)
                    .Select(static one => $"{one.Total} {one.Set}"),
                rows);
        }
    }
}
