namespace StackEnv.Merge.Repository.Tests;

/// <summary>The SQL of the documents, run as it stands there.</summary>
public sealed class SqlBlockTests : DatabaseTest
{
    public static readonly CodeBlockPlace TheTable = new("README.md", "sql", 1);
    public static readonly CodeBlockPlace ToJsonb = new("docs/migrating.md", "sql", 1);
    public static readonly CodeBlockPlace Grants = new("docs/operations.md", "sql", 1);
    public static readonly CodeBlockPlace WhoHoldsARow = new("docs/operations.md", "sql", 2);

    [Fact]
    public async Task The_readmes_table_fits_the_default_options()
    {
        await Database.ExecuteAsync("DROP TABLE stacks");
        await Database.ExecuteAsync(Text(TheTable));
        var team = Guid.NewGuid();
        var id = await Database.ScalarAsync<Guid>("INSERT INTO stacks (slug, team_id) VALUES ('shop', $1) RETURNING id", team);

        var result = await Database.Merger.MergeAsync(((StackRef)id).OwnedBy(team), Changes(("A", "1")));

        Assert.True(result.Changed);
    }

    [Theory]
    [InlineData("text")]
    [InlineData("json")]
    public async Task A_column_of_another_type_becomes_jsonb_with_its_documents_and_its_default(string type)
    {
        await Database.ExecuteAsync($$"""
            ALTER TABLE stacks
                ALTER COLUMN env_vars DROP DEFAULT,
                ALTER COLUMN env_vars TYPE {{type}} USING env_vars::{{type}},
                ALTER COLUMN env_vars SET DEFAULT '{}';
            INSERT INTO stacks (slug, env_vars) VALUES ('with', '{"A": "1"}'), ('without', DEFAULT);
            """);

        await Database.ExecuteAsync(Text(ToJsonb));

        await Database.ExecuteAsync("INSERT INTO stacks (slug) VALUES ('new')");
        var merger = Database.MergerWith(static options => options.KeyColumn = "slug");
        foreach (var (slug, total) in new[] { ("with", 2), ("without", 1), ("new", 1) })
        {
            Assert.Equal(total, (await merger.MergeAsync(slug, Changes(("B", "2")))).TotalAfter);
        }
    }

    [Fact]
    public async Task The_grants_are_enough_for_a_merge_and_for_the_readiness_check_and_each_is_needed()
    {
        var team = Guid.NewGuid();
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("UPDATE stacks SET team_id = $1", team);
        var role = $"merger_{Guid.NewGuid():N}";
        await Database.ExecuteAsync(Text(Grants)
            .Replace("stack_merger", role, StringComparison.Ordinal)
            .Replace("SCHEMA public", $"SCHEMA {Database.Schema}", StringComparison.Ordinal));
        try
        {
            await using var dataSource = Database.DataSourceWith(settings => settings.Options = $"-c role={role}");
            var merger = new StackEnvMerger(dataSource);

            Assert.True((await merger.MergeAsync(((StackRef)id).OwnedBy(team), Changes(("A", "1")))).Changed);
            await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(Guid.NewGuid(), Changes(("A", "1"))));
            foreach (var right in (string[])
                ["SELECT (id)", "SELECT (team_id)", "SELECT (status)", "SELECT (env_vars)", "UPDATE (env_vars)", "UPDATE (updated_at)"])
            {
                await Database.ExecuteAsync($"REVOKE {right} ON stacks FROM {role}");
                var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
                    () => merger.MergeAsync(((StackRef)Guid.NewGuid()).OwnedBy(team), Changes(("A", "1"))));
                Assert.Equal(("42501", false), (failure.SqlState, failure.IsTransient));
                await Database.ExecuteAsync($"GRANT {right} ON stacks TO {role}");
            }
        }
        finally
        {
            await Database.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
        }
    }

    [Fact]
    public async Task The_query_for_who_holds_a_row_finds_the_holder_of_a_waiting_merges_row()
    {
        var id = await Database.InsertAsync();
        Task merge;
        await using (await Database.LockAsync(id))
        {
            merge = Database.Merger.MergeAsync(id, Changes(("A", "1")));
            await Database.WaitersAsync(1);

            // The server is shared with other tests.
            Assert.Equal("idle in transaction", await Database.ScalarAsync<string>(
                $"SELECT found.state FROM ({Text(WhoHoldsARow).Trim().TrimEnd(';')}) AS found JOIN pg_stat_activity AS merge USING (pid) " +
                "WHERE merge.application_name = $1",
                Database.Schema));
        }

        await merge;
    }

    private static string Text(CodeBlockPlace place) => new Document(place.Document).Blocks.Single(block => block.Place == place).Text;
}
