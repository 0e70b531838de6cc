namespace StackEnv.Merge.Tests;

/// <summary>What others put into a schema of the search path, under the names that a merge uses, takes no part in it.</summary>
/// <remarks>
/// <see href="https://www.postgresql.org/docs/current/typeconv-oper.html">How PostgreSQL chooses among operators of one name</see>.
/// </remarks>
public sealed class SearchPathTests : DatabaseTest
{
    private static readonly (string Name, string Left, string Right, string Result)[] Operators =
    [
        ("=", "uuid", "uuid", "boolean"), ("=", "text", "text", "boolean"), ("=", "bigint", "bigint", "boolean"),
        ("=", "anyelement", "anyelement", "boolean"),
        ("=", "text", "varchar", "boolean"), ("=", "uuid", "text", "boolean"), ("||", "jsonb", "jsonb", "jsonb"),
        ("||", "anyelement", "anyelement", "jsonb"),
        ("-", "jsonb", "text[]", "jsonb"), ("-", "jsonb", "anyarray", "jsonb"), ("-", "integer", "integer", "integer"),
        ("@>", "jsonb", "jsonb", "boolean"),
        ("@>", "anyelement", "anyelement", "boolean"), ("?|", "jsonb", "text[]", "boolean"), ("?|", "jsonb", "anyarray", "boolean"),
        ("<=", "integer", "integer", "boolean"),
        ("<=", "integer", "bigint", "boolean"),
    ];

    private static readonly (string Name, string Parameters, string Result)[] Functions =
    [
        ("jsonb_typeof", "jsonb", "text"), ("jsonb_typeof", "anyelement", "text"), ("octet_length", "text", "integer"),
        ("octet_length", "varchar", "integer"),
        ("regexp_replace", "text, text, text, text", "text"), ("regexp_replace", "text, varchar, varchar, varchar", "text"),
        ("regexp_replace", "text, text, text, varchar", "text"),
        ("statement_timestamp", "", "timestamptz"),
    ];

    [Theory]
    [InlineData("uuid")]
    [InlineData("text")]
    [InlineData("bigint")]
    public async Task Schemas_after_the_catalog_hide_nothing_that_is_built_in(string keyType)
    {
        StackRef stack = keyType switch { "uuid" => (StackRef)Guid.Empty, "text" => "1", _ => 1L };
        await Database.ExecuteAsync($"CREATE TABLE keyed (id {keyType} PRIMARY KEY, status text, env_vars jsonb, updated_at timestamptz)");
        await Database.ExecuteAsync("INSERT INTO keyed VALUES ($1, 'up', '{\"OLD\": \"o\"}')", stack.Key);
        foreach (var (name, left, right, result) in Operators)
        {
            await Database.ExecuteAsync(
                $"CREATE FUNCTION act({left}, {right}) RETURNS {result} LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''taken''; END'");
            await Database.ExecuteAsync($"CREATE OPERATOR {name} (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = act)");
            await Database.ExecuteAsync("ALTER FUNCTION act RENAME TO act_" + Guid.NewGuid().ToString("N"));
        }

        foreach (var (name, parameters, result) in Functions)
        {
            await Database.ExecuteAsync(
                $"CREATE FUNCTION {Database.Schema}.{name}({parameters}) RETURNS {result} LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION " +
                "''taken''; END'");
        }

        var merger = Database.MergerWith(static options => options.Table = "keyed");

        Assert.Equal((1, 1, 1), Counts(await merger.MergeAsync(stack, Changes(("A", "1"), ("OLD", "")))));
        await Assert.ThrowsAsync<EnvTooLargeException>(
            () => Database.MergerWith(static options => (options.Table, options.MaxEnvBytes) = ("keyed", 20)).MergeAsync(
                stack, Changes(("B", "12345678"))));
    }

    [Fact]
    public async Task An_operator_that_fits_the_key_column_better_finds_no_other_stack()
    {
        await Database.ExecuteAsync("CREATE TABLE keyed (id varchar PRIMARY KEY, status text, env_vars jsonb, updated_at timestamptz)");
        await Database.ExecuteAsync("INSERT INTO keyed VALUES ('mine', 'up', '{}'), ('your', 'up', '{}')");
        await Database.ExecuteAsync("CREATE FUNCTION act(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT true'");
        await Database.ExecuteAsync("CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = text, FUNCTION = act)");

        var result = await Record.ExceptionAsync(
            () => Database.MergerWith(static options => options.Table = "keyed").MergeAsync("mine", Changes(("A", "1"))));

        Assert.Equal("{}", await Database.ScalarAsync<string>("SELECT env_vars::text FROM keyed WHERE id LIKE 'your'"));
        Assert.Null(result);
    }

    private static (int KeysSet, int KeysDeleted, int TotalAfter) Counts(MergeResult result) =>
        (result.KeysSet, result.KeysDeleted, result.TotalAfter);
}
