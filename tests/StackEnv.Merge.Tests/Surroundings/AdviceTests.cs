namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>Advice is given about the statements of the merge itself, and about nothing that triggers, rules or journals do.</summary>
public sealed class AdviceTests : SurroundingsTest
{
    private static readonly string[] Advice = ["CREATE TABLE", "ALTER TABLE", "must be of type", "StackEnvMergeOptions", "StackRef"];

    public static TheoryData<string> Bodies =>
    [
        "PERFORM missing(NEW.env_vars)",
        "PERFORM missing_schema.missing(NEW.env_vars)",
        "INSERT INTO missing VALUES (1)",
        "INSERT INTO missing_schema.missing VALUES (1)",
        "INSERT INTO seen (env_vars) VALUES (NEW.env_vars)",
        "PERFORM env_vars FROM seen",
        "INSERT INTO seen (number) VALUES (NEW.env_vars)",
        "PERFORM NEW.env_vars + 1",
        "NEW.missing := 1",
        "EXECUTE 'SELECT missing FROM seen'",
        "EXECUTE 'UPDATE seen SET number = now()'",
        "RAISE undefined_table",
        "RAISE undefined_column",
        "RAISE undefined_function",
        "RAISE datatype_mismatch",
        "RAISE invalid_schema_name",
    ];

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task An_object_that_a_trigger_does_not_find_is_no_reason_to_alter_the_table(string body)
    {
        await Database.ExecuteAsync("CREATE TABLE seen (number int)");
        foreach (var when in new[] { "BEFORE", "AFTER" })
        {
            await Database.ExecuteAsync(Trigger.On(body, $"{when} UPDATE"));
            var id = await Database.InsertAsync();

            var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

            Assert.All(Advice, advice => Assert.DoesNotContain(advice, failure.Message, StringComparison.Ordinal));
            Assert.False(failure.IsTransient);
            await Database.ExecuteAsync("DROP TRIGGER act ON stacks");
        }
    }

    [Theory]
    [InlineData(
        "CREATE FUNCTION f(jsonb) RETURNS boolean LANGUAGE sql AS 'SELECT true'; ALTER TABLE stacks ADD CHECK (env_vars = '{}' OR " +
        "f(env_vars)); CREATE OR REPLACE FUNCTION f(jsonb) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN missing($1); END'")]
    [InlineData(
        "CREATE FUNCTION f(jsonb) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM missing); END'; ALTER TABLE " +
        "stacks ADD CHECK (env_vars = '{}' OR f(env_vars))")]
    [InlineData(
        "CREATE FUNCTION f(jsonb) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN IF $1 = ''{}'' THEN RETURN $1; END IF; RETURN " +
        "(SELECT env_vars FROM missing); END'; CREATE INDEX ON stacks (f(env_vars))")]
    [InlineData(
        "CREATE TABLE seen (number int); CREATE FUNCTION f(jsonb) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN missing($1); END'; " +
        "CREATE RULE also AS ON UPDATE TO stacks DO ALSO INSERT INTO seen VALUES (f(NEW.env_vars))")]
    public async Task An_object_that_a_check_an_index_or_a_rule_does_not_find_is_no_reason_to_alter_the_table(string ddl)
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync(ddl);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.All(Advice, advice => Assert.DoesNotContain(advice, failure.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("INSERT INTO missing VALUES (1)")]
    [InlineData("UPDATE stacks SET missing = 1")]
    [InlineData("UPDATE stacks SET updated_at = 1")]
    [InlineData("SELECT env_vars + 1 FROM stacks")]
    public async Task An_object_that_a_journal_does_not_find_is_no_reason_to_alter_the_table(string statement)
    {
        var id = await Database.InsertAsync();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => Database.MergerWith(new Journal((_, _) => [new(statement)])).MergeAsync(id, Changes(("A", "1"))));

        Assert.All(Advice, advice => Assert.DoesNotContain(advice, failure.Message, StringComparison.Ordinal));
        Assert.Contains(typeof(Journal).ToString(), failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("public.stacks")]
    [InlineData("{0}.stacks")]
    [InlineData("{0}.missing")]
    [InlineData("\"{0}\".\"stacks\"")]
    [InlineData("postgres.public.stacks")]
    public async Task A_schema_in_the_name_of_the_table_is_pointed_out(string table)
    {
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(options => options.Table = table.Replace("{0}", Database.Schema, StringComparison.Ordinal));

        var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Contains("StackEnvMergeOptions.Schema", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("CREATE TABLE", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.IsTransient);
    }

    [Fact]
    public async Task The_name_is_divided_at_its_first_dot()
    {
        var merger = Database.MergerWith(static options => options.Table = "missing.stacks.old");

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(Guid.Empty, Changes(("A", "1"))));

        Assert.EndsWith(
            " There is a dot in StackEnvMergeOptions.Table: put the schema into StackEnvMergeOptions.Schema. For example Schema = " +
            "\"missing\", Table = \"stacks.old\".",
            failure.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schema_in_the_name_is_allowed_if_the_schema_is_named_too()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks RENAME TO \"public.stacks\"");
        var id = await Database.ScalarAsync<Guid>("INSERT INTO \"public.stacks\" (slug) VALUES ('shop') RETURNING id");

        var merger = Database.MergerWith(options => (options.Schema, options.Table) = (Database.Schema, "public.stacks"));

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }
}
