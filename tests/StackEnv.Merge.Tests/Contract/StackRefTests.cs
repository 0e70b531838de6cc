namespace StackEnv.Merge.Tests;

/// <summary>Which stack is meant, and whose.</summary>
public sealed class StackRefTests : DatabaseTest
{
    [Fact]
    public async Task The_key_may_be_a_uuid_a_text_or_a_bigint()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN number bigint UNIQUE");
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("UPDATE stacks SET slug = 'shop', number = 42 WHERE id = $1", id);

        await Database.Merger.MergeAsync(id, Changes(("UUID", "1")));
        await Database.MergerWith(static options => options.KeyColumn = "slug").MergeAsync("shop", Changes(("TEXT", "1")));
        await Database.MergerWith(static options => options.KeyColumn = "number").MergeAsync(42L, Changes(("BIGINT", "1")));

        Assert.Equal("""{"TEXT": "1", "UUID": "1", "BIGINT": "1"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task The_owner_may_be_a_uuid_a_text_or_a_bigint()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN owner_name text, ADD COLUMN owner_number bigint");
        var team = Guid.NewGuid();
        StackRef stack = await Database.InsertAsync(team: team);
        await Database.ExecuteAsync("UPDATE stacks SET owner_name = 'team', owner_number = 7");

        await Database.Merger.MergeAsync(stack.OwnedBy(team), Changes(("UUID", "1")));
        await Database.MergerWith(static options => options.OwnerColumn = "owner_name")
            .MergeAsync(stack.OwnedBy("team"), Changes(("TEXT", "1")));
        var last = await Database.MergerWith(static options => options.OwnerColumn = "owner_number")
            .MergeAsync(stack.OwnedBy(7), Changes(("BIGINT", "1")));

        Assert.Equal(3, last.TotalAfter);
    }

    [Fact]
    public async Task Another_owners_stack_is_indistinguishable_from_a_missing_one()
    {
        var id = await Database.InsertAsync(team: Guid.NewGuid());
        var before = await Database.FootprintAsync(id);
        StackRef others = id;
        var missing = ((StackRef)id).OwnedBy(Guid.NewGuid());

        var refused = await Assert.ThrowsAsync<StackNotFoundException>(() => Database.Merger.MergeAsync(missing, Changes(("A", "1"))));
        await Database.ExecuteAsync("DELETE FROM stacks WHERE id = $1", id);
        var notThere = await Assert.ThrowsAsync<StackNotFoundException>(() => Database.Merger.MergeAsync(missing, Changes(("A", "1"))));

        Assert.NotEmpty(before);
        Assert.Equal(notThere.Message, refused.Message);
        Assert.Equal(missing, refused.Stack);
        Assert.NotEqual(others, refused.Stack);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_stack_that_changes_its_owner_while_the_merge_waits_for_it_is_not_found(bool withJournal)
    {
        var (team, next) = (Guid.NewGuid(), Guid.NewGuid());
        StackRef stack = await Database.InsertAsync("""{"A": "0"}""", team: team);
        var merger = Database.MergerWith(withJournal ? [Journal.Silent] : []);
        await using var holder = await Database.HoldAsync("UPDATE stacks SET team_id = $2 WHERE id = $1", stack.Key, next);
        var merging = merger.MergeAsync(stack.OwnedBy(team), Changes(("A", "1")));
        await Database.WaitersAsync(1);

        await holder.CommitAsync();
        var before = await Database.FootprintAsync((Guid)stack.Key);

        await Assert.ThrowsAsync<StackNotFoundException>(() => merging);
        Assert.Equal(before, await Database.FootprintAsync((Guid)stack.Key));
        Assert.True((await merger.MergeAsync(stack.OwnedBy(next), Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_stack_without_an_owner_belongs_to_no_owner()
    {
        StackRef stack = await Database.InsertAsync(team: null);

        await Assert.ThrowsAsync<StackNotFoundException>(
            () => Database.Merger.MergeAsync(stack.OwnedBy(Guid.NewGuid()), Changes(("A", "1"))));
    }

    [Fact]
    public async Task A_required_owner_that_is_named_is_fine()
    {
        var team = Guid.NewGuid();
        StackRef stack = await Database.InsertAsync(team: team);

        Assert.True((await Database.MergerWith(static options => options.RequireOwner = true).MergeAsync(
            stack.OwnedBy(team), Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_key_that_several_rows_have_is_reported_and_not_ignored()
    {
        await Database.ExecuteAsync("CREATE TABLE twins (slug text, team_id bigint, status text, env_vars jsonb, UNIQUE (team_id, slug))");
        await Database.ExecuteAsync("INSERT INTO twins VALUES ('shop', 1, 'up', '{}'), ('shop', 2, 'up', '{}')");
        var merger = Database.MergerWith(
            static options => (options.Table, options.KeyColumn, options.UpdatedAtColumn) = ("twins", "slug", null));

        var unsuitable = await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync("shop", Changes(("A", "1"))));

        Assert.Contains("name the owner with OwnedBy", unsuitable.Message, StringComparison.Ordinal);
        Assert.Equal(2, await Database.ScalarAsync<long>("SELECT count(*) FROM twins WHERE env_vars = '{}'"));
        Assert.Equal(1, (await merger.MergeAsync(((StackRef)"shop").OwnedBy(2), Changes(("B", "2"), ("A", null)))).TotalAfter);
    }

    [Fact]
    public void References_compare_by_key_owner_and_version()
    {
        StackRef stack = "shop";

        Assert.Equal(stack, (StackRef)"shop");
        Assert.True(stack == "shop");
        Assert.True(stack != "other");
        Assert.NotEqual(stack, stack.OwnedBy(1));
        Assert.NotEqual(stack.OwnedBy("1"), stack.OwnedBy(1));
        Assert.NotEqual(stack, stack.AtVersion(0));
        Assert.True(stack.AtVersion(1) != stack.AtVersion(2));
        Assert.Equal(stack.AtVersion(1).OwnedBy(7), stack.OwnedBy(7).AtVersion(1));
        Assert.Equal(stack.AtVersion(1).GetHashCode(), ((StackRef)"shop").AtVersion(1).GetHashCode());
        Assert.False(stack.Equals("shop" as object));
        Assert.Equal(stack.OwnedBy(1).GetHashCode(), ((StackRef)"shop").OwnedBy(1).GetHashCode());
    }

    [Fact]
    public void A_reference_shows_as_one_printable_line()
    {
        var uuid = Guid.Parse("3f2504e0-4f89-41d3-9a0c-0305e82c3301");

        Assert.Equal("3f2504e0-4f89-41d3-9a0c-0305e82c3301", ((StackRef)uuid).ToString());
        Assert.Equal("\"sh\\u000Aop\" of owner 7", ((StackRef)"sh\nop").OwnedBy(7).ToString());
        Assert.Equal("42 of owner \"team\"", ((StackRef)42L).OwnedBy("team").ToString());
        Assert.Equal("42 at version 17", ((StackRef)42L).AtVersion(17).ToString());
        Assert.Equal("42 of owner 7 at version -17", ((StackRef)42L).OwnedBy(7).AtVersion(-17).ToString());
        Assert.Equal("(none)", default(StackRef).ToString());
    }

    [Fact]
    public void The_default_and_null_name_no_stack()
    {
        Assert.Throws<InvalidOperationException>(static () => default(StackRef).Key);
        Assert.Throws<InvalidOperationException>(static () => default(StackRef).OwnedBy(1));
        Assert.Throws<InvalidOperationException>(static () => default(StackRef).AtVersion(1));
        Assert.Throws<ArgumentNullException>("key", static () => (StackRef)null!);
        Assert.Throws<ArgumentNullException>("owner", static () => ((StackRef)"shop").OwnedBy(null!));
    }

    [Fact]
    public void A_hosts_fake_can_read_the_key_the_owner_and_the_version()
    {
        var stack = ((StackRef)"shop").OwnedBy(7);

        Assert.Equal("shop", stack.Key);
        Assert.Equal(7L, stack.Owner);
        Assert.Null(stack.Version);
        Assert.Equal(17, stack.AtVersion(16).AtVersion(17).OwnedBy("other").Version);
    }
}
