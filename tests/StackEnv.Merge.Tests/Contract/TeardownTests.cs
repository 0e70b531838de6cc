namespace StackEnv.Merge.Tests;

/// <summary>A stack that is being torn down is never written to.</summary>
public sealed class TeardownTests : DatabaseTest
{
    [Fact]
    public async Task A_stack_in_teardown_is_refused_and_untouched()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""", status: "deleting");
        var before = await Database.FootprintAsync(id);

        var refused = await Assert.ThrowsAsync<StackDeletingException>(() => Database.Merger.MergeAsync(id, Changes(("A", "2"))));

        Assert.Equal("deleting", refused.Status);
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_merge_that_would_change_nothing_is_refused_as_well()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""", status: "deleting");

        await Assert.ThrowsAsync<StackDeletingException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));
    }

    [Fact]
    public async Task A_teardown_that_commits_while_the_merge_waits_wins()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        await using var teardown = await Database.LockAsync(id);
        var merging = Database.Merger.MergeAsync(id, Changes(("A", "2")));
        await Database.WaitersAsync(1);

        await teardown.CommitStatusAsync(id, "deleting");
        var left = await Database.FootprintAsync(id);

        await Assert.ThrowsAsync<StackDeletingException>(() => merging);
        Assert.Equal(left, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_row_that_is_deleted_while_the_merge_waits_is_not_found()
    {
        var id = await Database.InsertAsync();
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using (
            var delete = new Npgsql.NpgsqlCommand("DELETE FROM stacks WHERE id = $1", connection) { Parameters = { new() { Value = id } } })
        {
            await delete.ExecuteNonQueryAsync();
        }

        var merging = Database.Merger.MergeAsync(id, Changes(("A", "2")));
        await Database.WaitersAsync(1);
        await transaction.CommitAsync();

        await Assert.ThrowsAsync<StackNotFoundException>(() => merging);
    }

    [Theory]
    [InlineData("stopped")]
    [InlineData("failed")]
    public async Task Which_statuses_mean_a_teardown_is_the_hosts_choice(string status)
    {
        var id = await Database.InsertAsync(status: status);
        var merger = Database.MergerWith(static options => options.DeletingStatuses.UnionWith(["stopped", "failed"]));

        var refused = await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync(id, Changes(("A", "2"))));

        Assert.Equal(status, refused.Status);
    }

    [Theory]
    [InlineData("tear'down")]
    [InlineData(@"back\slash")]
    [InlineData(@"\' OR true --")]
    [InlineData("$1")]
    [InlineData("$2$")]
    [InlineData("/*")]
    [InlineData("line\nfeed")]
    [InlineData("снос")]
    public async Task Any_text_may_be_a_status_and_none_is_read_as_SQL(string status)
    {
        await Database.ExecuteAsync("CREATE TABLE odd (id bigint PRIMARY KEY, status text, env_vars jsonb DEFAULT '{}')");
        await Database.ExecuteAsync("INSERT INTO odd VALUES (1, 'up'), (2, $1)", status);
        var options = new StackEnvMergeOptions { Table = "odd", UpdatedAtColumn = null };
        options.DeletingStatuses.Add(status);
        foreach (var standardConformingStrings in (string[])["on", "off"])
        {
            await using var dataSource = Database.DataSourceWith(
                settings => settings.Options = $"-c standard_conforming_strings={standardConformingStrings}");
            var merger = new StackEnvMerger(dataSource, options);

            await merger.MergeAsync(1L, Changes(("A", standardConformingStrings)));
            var refused = await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync(2L, Changes(("A", "1"))));

            Assert.Equal(status, refused.Status);
        }

        Assert.Equal(
            """{"A": "off"} {}""", await Database.ScalarAsync<string>("SELECT string_agg(env_vars::text, ' ' ORDER BY id) FROM odd"));
    }

    [Fact]
    public async Task A_status_of_an_enum_type_works_too()
    {
        await Database.ExecuteAsync("CREATE TYPE state AS ENUM ('up', 'deleting')");
        await Database.ExecuteAsync("CREATE TABLE enumerated (id bigint PRIMARY KEY, status state, env_vars jsonb)");
        await Database.ExecuteAsync("INSERT INTO enumerated VALUES (1, 'up', '{}'), (2, 'deleting', '{}')");
        var merger = Database.MergerWith(static options => (options.Table, options.UpdatedAtColumn) = ("enumerated", null));

        Assert.True((await merger.MergeAsync(1L, Changes(("A", "1")))).Changed);
        await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync(2L, Changes(("A", "1"))));
    }

    [Fact]
    public async Task The_hosts_statuses_replace_the_default()
    {
        var id = await Database.InsertAsync(status: "deleting");
        var merger = Database.MergerWith(static options =>
        {
            options.DeletingStatuses.Clear();
            options.DeletingStatuses.Add("gone");
        });

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_status_of_null_is_no_teardown()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ALTER COLUMN status DROP NOT NULL");
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        await Database.ExecuteAsync("UPDATE stacks SET status = NULL WHERE id = $1", id);

        Assert.Equal(1, (await Database.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", "")))).KeysDeleted);
    }
}
