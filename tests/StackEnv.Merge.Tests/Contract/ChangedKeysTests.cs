using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Which keys a merge added, updated and deleted, compared with the row under its lock.</summary>
public sealed class ChangedKeysTests : DatabaseTest
{
    [Fact]
    public async Task Each_key_is_named_by_what_happened_to_it()
    {
        var id = await Database.InsertAsync("""{"KEEP": "k", "OLD": "o", "PORT": "80", "SAME": "s"}""");

        var result = await Database.Merger.MergeAsync(
            id, Changes(("PORT", "8080"), ("NEW", "n"), ("OLD", ""), ("SAME", "s"), ("ABSENT", null)));

        AssertNames(result, added: ["NEW"], updated: ["PORT"], deleted: ["OLD"]);
        Assert.Equal((3, 1), (result.KeysSet, result.KeysDeleted));
    }

    [Fact]
    public async Task Names_are_in_ordinal_order()
    {
        var id = await Database.InsertAsync("""{"A": "1", "AA": "1", "A_": "1", "Z": "1", "LONG": "1", "B": "1"}""");
        var merger = Database.MergerWith(static options => options.IsValidKey = static _ => true);

        var result = await merger.MergeAsync(
            id,
            Changes(
                ("é", "2"), ("b", "2"), ("Y", "2"), ("X1", "2"), ("B", "2"), ("AA", "2"), ("A", "2"), ("Z", null), ("LONG", ""),
                ("A_", "")));

        AssertNames(result, added: ["X1", "Y", "b", "é"], updated: ["A", "AA", "B"], deleted: ["A_", "LONG", "Z"]);
    }

    [Fact]
    public async Task Each_name_is_the_callers_own_string()
    {
        var id = await Database.InsertAsync("""{"OLD": "o", "PORT": "80"}""");
        var (added, updated, deleted) = (OwnString("NEW"), OwnString("PORT"), OwnString("OLD"));

        var result = await Database.Merger.MergeAsync(id, Changes((added, "n"), (updated, "8080"), (deleted, null)));

        Assert.Same(added, Assert.Single(result.AddedKeys));
        Assert.Same(updated, Assert.Single(result.UpdatedKeys));
        Assert.Same(deleted, Assert.Single(result.DeletedKeys));

        // A literal is the same string in the whole process.
        static string OwnString(string key) => new(key.AsSpan());
    }

    [Fact]
    public async Task A_merge_that_changes_nothing_names_nothing()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");

        AssertNames(await Database.Merger.MergeAsync(id, Changes(("A", "1"), ("ABSENT", ""))), [], [], []);
        AssertNames(await Database.Merger.MergeAsync(id, Changes()), [], [], []);
    }

    [Theory]
    [InlineData("5")]
    [InlineData("true")]
    [InlineData("null")]
    [InlineData("{\"a\": 1}")]
    public async Task A_value_that_is_no_string_is_updated_also_by_its_own_text(string stored)
    {
        var id = await Database.InsertAsync($$"""{"A": {{stored}}, "B": {{stored}}}""");

        AssertNames(await Database.Merger.MergeAsync(id, Changes(("A", stored), ("B", null))), added: [], updated: ["A"], deleted: ["B"]);
    }

    [Fact]
    public async Task In_SQL_NULL_every_key_is_new()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ALTER env_vars DROP NOT NULL");
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("UPDATE stacks SET env_vars = NULL");

        AssertNames(await Database.Merger.MergeAsync(id, Changes(("B", "1"), ("A", "1"), ("C", ""))), added: ["A", "B"], [], []);
    }

    [Theory]
    [InlineData("quote\"d")]
    [InlineData(@"back\slash")]
    [InlineData("line\nfeed")]
    [InlineData("")]
    [InlineData("🚀 ключ")]
    [InlineData("\u0001\u001f")]
    public async Task Names_that_JSON_escapes_are_found(string key) => await AssertFoundAsync(key);

    [Theory]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(257)]
    [InlineData(3_000)]
    public async Task Long_names_are_found(int length)
    {
        await AssertFoundAsync(new string('L', length));
        await AssertFoundAsync(new string('é', length));
    }

    [Fact]
    public async Task What_a_trigger_changes_is_not_the_merges_change()
    {
        await Database.ExecuteAsync(
            Trigger.On("NEW.env_vars := NEW.env_vars - 'ADDED' - 'DROPPED' || '{\"STAMP\": \"t\", \"OLD\": \"back\"}'"));
        var id = await Database.InsertAsync("""{"DROPPED": "d", "OLD": "o", "PORT": "80"}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("ADDED", "a"), ("PORT", "8080"), ("OLD", null)));

        AssertNames(result, added: ["ADDED"], updated: ["PORT"], deleted: ["OLD"]);
        Assert.Equal(["OLD", "PORT", "STAMP"], result.Env.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_merge_that_waits_compares_with_what_the_other_one_committed()
    {
        var id = await Database.InsertAsync("""{"A": "1", "B": "1"}""");
        await using var holder = await Database.HoldAsync(
            """UPDATE stacks SET env_vars = '{"B": "2", "C": "1"}' WHERE id = $1""", id);
        var merging = Database.Merger.MergeAsync(id, Changes(("A", "1"), ("B", "3"), ("C", "")));
        await Database.WaitersAsync(1);

        await holder.CommitStatusAsync(id, "failed");

        AssertNames(await merging, added: ["A"], updated: ["B"], deleted: ["C"]);
    }

    [Fact]
    public async Task Near_the_limit_the_second_attempt_names_the_same()
    {
        var id = await Database.InsertAsync("""{"A": "1", "B": "1"}""");
        var merger = Database.MergerWith(static options => options.MaxEnvBytes = 100);

        AssertNames(
            await merger.MergeAsync(id, Changes(("C", new string('x', 70)), ("A", "2"), ("B", ""))),
            added: ["C"],
            updated: ["A"],
            deleted: ["B"]);
    }

    [Fact]
    public async Task A_journal_gets_the_names()
    {
        await Database.ExecuteAsync("CREATE TABLE names (kind text, key text)");
        var id = await Database.InsertAsync("""{"OLD": "o", "PORT": "80"}""");
        var merger = Database.MergerWith(new Journal(static (_, result) =>
        [
            .. Rows("added", result.AddedKeys), .. Rows("updated", result.UpdatedKeys), .. Rows("deleted", result.DeletedKeys),
        ]));

        await merger.MergeAsync(id, Changes(("PORT", "8080"), ("NEW", "n"), ("OLD", "")));

        Assert.Equal(
            "added NEW, deleted OLD, updated PORT",
            await Database.ScalarAsync<string>("SELECT string_agg(kind || ' ' || key, ', ' ORDER BY kind) FROM names"));

        static IEnumerable<NpgsqlBatchCommand> Rows(string kind, IReadOnlyList<string> keys) => keys.Select(
            key => new NpgsqlBatchCommand("INSERT INTO names VALUES ($1, $2)")
            {
                Parameters = { new() { Value = kind }, new() { Value = key } },
            });
    }

    [Fact]
    public async Task The_names_of_a_result_cannot_be_changed()
    {
        var id = await Database.InsertAsync("""{"A": "1", "B": "1"}""");
        var result = await Database.Merger.MergeAsync(id, Changes(("A", "2"), ("B", ""), ("C", "3")));

        Assert.All(
            new[] { result.AddedKeys, result.UpdatedKeys, result.DeletedKeys },
            static names => Assert.False(names is string[] or List<string> or IList<string> { IsReadOnly: false }));
    }

    [Fact]
    public async Task The_text_of_a_result_has_no_name()
    {
        var id = await Database.InsertAsync("""{"OLDKEY": "1", "PORTKEY": "1"}""");

        var text = (await Database.Merger.MergeAsync(id, Changes(("NEWKEY", "2"), ("OLDKEY", ""), ("PORTKEY", "3")))).ToString();

        Assert.DoesNotContain("KEY", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fake_without_names_has_empty_lists_and_no_version()
    {
        var result = new MergeResult
        {
            Env = new Dictionary<string, string>(StringComparer.Ordinal),
            KeysSet = 0,
            KeysDeleted = 0,
            TotalAfter = 0,
            Changed = false,
        };

        AssertNames(result, [], [], []);
        Assert.Null(result.Version);
    }

    private static void AssertNames(MergeResult result, string[] added, string[] updated, string[] deleted)
    {
        Assert.Equal(added, result.AddedKeys);
        Assert.Equal(updated, result.UpdatedKeys);
        Assert.Equal(deleted, result.DeletedKeys);
    }

    private async Task AssertFoundAsync(string key)
    {
        var id = await Database.InsertAsync("""{"OTHER": "o"}""");
        var merger = Database.MergerWith(static options => options.IsValidKey = static _ => true);

        AssertNames(await merger.MergeAsync(id, Changes((key, "1"))), added: [key], updated: [], deleted: []);
        AssertNames(await merger.MergeAsync(id, Changes((key, "1"))), added: [], updated: [], deleted: []);
        AssertNames(await merger.MergeAsync(id, Changes((key, "2"))), added: [], updated: [key], deleted: []);
        AssertNames(await merger.MergeAsync(id, Changes((key, ""))), added: [], updated: [], deleted: [key]);
    }
}
