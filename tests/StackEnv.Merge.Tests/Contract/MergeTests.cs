namespace StackEnv.Merge.Tests;

/// <summary>What a merge stores, and what its result says.</summary>
public sealed class MergeTests : DatabaseTest
{
    [Fact]
    public async Task Sets_and_deletes_go_in_together()
    {
        var id = await Database.InsertAsync("""{"KEEP": "k", "OLD": "o", "PORT": "80"}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("PORT", "8080"), ("NEW", "n"), ("OLD", "")));

        Assert.Equal("""{"NEW": "n", "KEEP": "k", "PORT": "8080"}""", await Database.EnvAsync(id));
        Assert.Equal(new Dictionary<string, string> { ["KEEP"] = "k", ["NEW"] = "n", ["PORT"] = "8080" }, result.Env);
        Assert.Equal((2, 1, 3, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public async Task Null_and_empty_both_delete(string? value)
    {
        var id = await Database.InsertAsync("""{"A": "1", "B": "2"}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("A", value)));

        Assert.Equal("""{"B": "2"}""", await Database.EnvAsync(id));
        Assert.Equal((0, 1, 1, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
    }

    [Fact]
    public async Task Deleting_an_absent_key_counts_as_nothing()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("ABSENT", ""), ("B", "2")));

        Assert.Equal((1, 0, 2), (result.KeysSet, result.KeysDeleted, result.TotalAfter));
    }

    [Fact]
    public async Task A_value_that_is_stored_already_still_counts_as_set()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1"), ("B", "2")));

        Assert.Equal((2, 0, 2, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
    }

    [Fact]
    public async Task Deleting_the_last_key_leaves_an_empty_object()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("A", null)));

        Assert.Equal("{}", await Database.EnvAsync(id));
        Assert.Empty(result.Env);
        Assert.Equal(0, result.TotalAfter);
    }

    [Fact]
    public async Task A_merge_that_changes_nothing_writes_nothing()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        var before = await Database.FootprintAsync(id);

        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1"), ("ABSENT", "")));

        Assert.Equal(before, await Database.FootprintAsync(id));
        Assert.Equal((1, 0, 1, false), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
        Assert.Equal("1", result.Env["A"]);
    }

    [Fact]
    public async Task No_changes_return_the_set_as_it_is()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");

        var result = await Database.Merger.MergeAsync(id, Changes());

        Assert.Equal((0, 0, 1, false), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
    }

    [Fact]
    public async Task A_merge_that_changes_something_takes_the_time_of_its_write_and_not_of_its_start()
    {
        var id = await Database.InsertAsync();
        await using var holder = await Database.LockAsync(id);
        var merging = Database.Merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);
        var whileItWaited = await Database.ScalarAsync<DateTime>("SELECT clock_timestamp()");

        await holder.DisposeAsync();
        await merging;

        Assert.True(await Database.ScalarAsync<bool>("SELECT updated_at > $2 FROM stacks WHERE id = $1", id, whileItWaited));
    }

    [Fact]
    public async Task Without_an_updated_at_column_only_the_set_is_written()
    {
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(options => options.UpdatedAtColumn = null);

        await merger.MergeAsync(id, Changes(("A", "1")));

        Assert.True(await Database.ScalarAsync<bool>("SELECT updated_at = created_at FROM stacks WHERE id = $1", id));
    }

    [Fact]
    public async Task Other_rows_are_not_touched()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        var other = await Database.InsertAsync("""{"A": "1"}""");
        var before = await Database.FootprintAsync(other);

        await Database.Merger.MergeAsync(id, Changes(("A", "2")));

        Assert.Equal(before, await Database.FootprintAsync(other));
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("with \"quotes\", \\backslashes\\ and a tab\t")]
    [InlineData("line\nbreaks\r\n and \u0001 controls \u007f \u0085 \u2028")]
    [InlineData("ünïcödé 漢字 🚀")]
    [InlineData("{\"json\": [1, 2, {\"x\": null}]}")]
    [InlineData("'; DROP TABLE stacks; --")]
    [InlineData(" leading and trailing ")]
    [InlineData("\uFFFD\uFEFF")]
    public async Task A_value_comes_back_exactly_as_it_was_given(string value)
    {
        var id = await Database.InsertAsync();

        var result = await Database.Merger.MergeAsync(id, Changes(("A", value)));

        Assert.Equal(value, result.Env["A"]);
        Assert.Equal(value, await Database.ScalarAsync<string>("SELECT env_vars->>'A' FROM stacks WHERE id = $1", id));
    }

    [Fact]
    public async Task The_changes_may_come_in_a_dictionary_that_ignores_case()
    {
        var id = await Database.InsertAsync("""{"path": "stays"}""");
        var changes = new Dictionary<string, string?>(StringComparer.OrdinalIgnoreCase) { ["PATH"] = "" };

        var result = await Database.Merger.MergeAsync(id, changes);

        Assert.Equal((0, false), (result.KeysDeleted, result.Changed));
        Assert.Equal("""{"path": "stays"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public void The_results_text_has_the_counts_and_no_value()
    {
        var result = new MergeResult
        {
            Env = new Dictionary<string, string>(StringComparer.Ordinal) { ["TOKEN"] = "secret" },
            KeysSet = 1,
            KeysDeleted = 2,
            TotalAfter = 3,
            Changed = false,
        };

        Assert.Equal("1 set, 2 deleted, 3 in all, unchanged", result.ToString());
    }
}
