namespace StackEnv.Merge.Tests;

/// <summary>What the row may hold already, and how a merge treats it.</summary>
public sealed class StoredDocumentTests : DatabaseTest
{
    [Fact]
    public async Task SQL_NULL_is_an_empty_set()
    {
        var id = await InsertNullAsync();

        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.Equal((1, 0, 1, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
    }

    [Fact]
    public async Task SQL_NULL_stays_when_nothing_changes()
    {
        var id = await InsertNullAsync();

        var result = await Database.Merger.MergeAsync(id, Changes(("ABSENT", "")));

        Assert.Null(await Database.EnvAsync(id));
        Assert.Empty(result.Env);
        Assert.False(result.Changed);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("""["A", "B"]""")]
    [InlineData("\"text\"")]
    [InlineData("42")]
    [InlineData("true")]
    [InlineData("null")]
    public async Task What_is_not_an_object_is_never_overwritten(string document)
    {
        var id = await Database.InsertAsync(document);
        var before = await Database.FootprintAsync(id);

        await Assert.ThrowsAsync<StoredEnvInvalidException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));
        await Assert.ThrowsAsync<StoredEnvInvalidException>(() => Database.Merger.MergeAsync(id, Changes(("A", ""))));
        await Assert.ThrowsAsync<StoredEnvInvalidException>(() => Database.Merger.MergeAsync(id, Changes()));

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task Values_that_are_not_strings_stay_and_read_as_their_JSON_text()
    {
        const string Stored =
            """{"NULL": null, "REAL": 1.50, "TRUE": true, "LIST": [1, "two"], "DEEP": {"a b": {"c": "d"}}, "WHOLE": 42}""";
        var id = await Database.InsertAsync(Stored);

        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Equal(
            [
                ("A", "1"),
                ("DEEP", """{"a b": {"c": "d"}}"""),
                ("LIST", """[1, "two"]"""),
                ("NULL", "null"),
                ("REAL", "1.50"),
                ("TRUE", "true"),
                ("WHOLE", "42"),
            ],
            result.Env.Select(static property => (property.Key, property.Value)).Order());
        Assert.True(await Database.ScalarAsync<bool>("SELECT env_vars - 'A' = $2::jsonb FROM stacks WHERE id = $1", id, Stored));
    }

    [Fact]
    public async Task Setting_a_number_to_its_own_text_makes_it_a_string()
    {
        var id = await Database.InsertAsync("""{"PORT": 80}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("PORT", "80")));

        Assert.True(result.Changed);
        Assert.Equal("""{"PORT": "80"}""", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData("lower")]
    [InlineData("with space")]
    [InlineData("1ST")]
    [InlineData("")]
    [InlineData("ключ")]
    public async Task Keys_that_break_todays_grammar_are_kept_and_returned(string key)
    {
        var id = await Database.InsertAsync($$"""{"{{key}}": "old"}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Equal("old", result.Env[key]);
        Assert.Equal("old", await Database.ScalarAsync<string>("SELECT env_vars->>$2 FROM stacks WHERE id = $1", id, key));
    }

    [Fact]
    public async Task A_document_nested_as_deep_as_PostgreSQL_takes_it_is_read()
    {
        var nested = new string('[', 1000) + new string(']', 1000);
        var id = await Database.InsertAsync($$"""{"DEEP": {{nested}}}""");

        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Equal(nested, result.Env["DEEP"]);
    }

    [Fact]
    public async Task The_result_is_what_the_row_holds_where_a_trigger_rewrites_the_set()
    {
        await Database.ExecuteAsync(Trigger.On("""NEW.env_vars := NEW.env_vars || '{"STAMP": "by trigger"}'"""));
        var id = await Database.InsertAsync();

        var result = await Database.Merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Equal("by trigger", result.Env["STAMP"]);
        Assert.Equal((1, 2), (result.KeysSet, result.TotalAfter));
    }

    [Fact]
    public async Task A_trigger_that_swallows_the_write_is_a_failure()
    {
        await Database.ExecuteAsync(Trigger.On("RETURN NULL"));
        var id = await Database.InsertAsync();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.EndsWith(
            "look for a trigger, a rule or a row-level security policy that drops it.", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.IsTransient);
    }

    [Fact]
    public async Task A_trigger_that_stores_something_other_than_an_object_is_reported()
    {
        await Database.ExecuteAsync(Trigger.On("NEW.env_vars := '[]'"));
        var id = await Database.InsertAsync();

        var unsuitable = await Assert.ThrowsAsync<UnsuitableTableException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.True(unsuitable.IsCommitted);
        Assert.Contains("was committed", unsuitable.Message, StringComparison.Ordinal);
        Assert.Equal("[]", await Database.EnvAsync(id));

        // With a journal the result is looked at before COMMIT.
        var spared = await Database.InsertAsync();
        unsuitable = await Assert.ThrowsAsync<UnsuitableTableException>(
            () => Database.MergerWith(Journal.Silent).MergeAsync(spared, Changes(("A", "1"))));

        Assert.False(unsuitable.IsCommitted);
        Assert.Contains("nothing was written", unsuitable.Message, StringComparison.Ordinal);
        Assert.Equal("{}", await Database.EnvAsync(spared));
    }

    private async Task<Guid> InsertNullAsync()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ALTER COLUMN env_vars DROP NOT NULL");
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("UPDATE stacks SET env_vars = NULL WHERE id = $1", id);
        return id;
    }
}
