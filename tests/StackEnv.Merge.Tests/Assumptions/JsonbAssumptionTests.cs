using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>What the merge relies on in <c>jsonb</c>: how it prints, and what the operators of the guards mean.</summary>
public sealed class JsonbAssumptionTests : DatabaseTest
{
    [Theory]
    [InlineData("""{ "a":[1,{"b":"c: d, e"}]  ,"f" :{}}""", """{"a": [1, {"b": "c: d, e"}], "f": {}}""")]
    [InlineData("[ ]", "[]")]
    public async Task Text_has_one_space_after_each_colon_and_comma_and_no_other(string written, string printed) =>
        Assert.Equal(printed, await PrintAsync(written));

    [Theory]
    [InlineData("""{"bb": 1, "a": 2, "c": 3, "é": 4, "zzz": 5}""", """{"a": 2, "c": 3, "bb": 1, "é": 4, "zzz": 5}""")]
    [InlineData("""{"A": 1, "A": {"x": 1, "x": 2}}""", """{"A": {"x": 2}}""")]
    public async Task Keys_come_in_the_order_of_their_bytes_shorter_ones_first_and_the_last_of_equal_ones_counts(
        string written, string printed) =>
        Assert.Equal(printed, await PrintAsync(written));

    [Theory]
    [InlineData(@"""\u0022\u005c\/\b\f\n\r\t""", @"""\""\\/\b\f\n\r\t""")]
    [InlineData(@"""\u0001\u001F""", @"""\u0001\u001f""")]
    [InlineData(@"""\u007f\u0085\u2028\ud83d\ude80<&'""", "\"\u007f\u0085\u2028🚀<&'\"")]
    public async Task Only_what_JSON_demands_is_escaped_in_the_short_form_where_there_is_one(string written, string printed) =>
        Assert.Equal(printed, await PrintAsync(written));

    [Theory]
    [InlineData("1.0", "1.0")]
    [InlineData("1.50e1", "15.0")]
    [InlineData("1e3", "1000")]
    [InlineData("1e-3", "0.001")]
    [InlineData("-0.00", "0.00")]
    [InlineData("12345678901234567890.123456789012345678901", "12345678901234567890.123456789012345678901")]
    public async Task Numbers_are_exact_and_print_without_an_exponent(string written, string printed) =>
        Assert.Equal(printed, await PrintAsync(written));

    [Fact]
    public async Task A_number_that_no_floating_point_type_holds_is_kept() =>
        Assert.Equal("1" + new string('0', 400), await PrintAsync("1e400"));

    [Theory]
    [InlineData("""'{"A": {"x": 1}, "B": 2}'::jsonb || '{"A": {"y": 2}, "C": 3}'""", """{"A": {"y": 2}, "B": 2, "C": 3}""")]
    [InlineData("""'{"A": 1}'::jsonb || '{}'""", """{"A": 1}""")]
    public async Task Concatenation_replaces_whole_values_of_the_first_level(string expression, string printed) =>
        Assert.Equal(printed, await PrintResultAsync(expression));

    [Theory]
    [InlineData("""'{"A": 1, "B": 2, "C": {"A": 3}}'::jsonb - '{A,B,ABSENT}'::text[]""", """{"C": {"A": 3}}""")]
    [InlineData("""'{"A": 1}'::jsonb - '{}'::text[]""", """{"A": 1}""")]
    public async Task Subtraction_of_an_array_drops_those_keys_of_the_first_level_that_are_there(string expression, string printed) =>
        Assert.Equal(printed, await PrintResultAsync(expression));

    [Theory]
    [InlineData("""'{"A": "1", "B": "2"}'::jsonb @> '{"A": "1"}'""", "true")]
    [InlineData("""'{"A": "1"}'::jsonb @> '{"A": "1 "}'""", "false")]
    [InlineData("""'{"A": 1}'::jsonb @> '{"A": "1"}'""", "false")]
    [InlineData("""'{"A": ["1"]}'::jsonb @> '{"A": "1"}'""", "false")]
    [InlineData("""'{"A": null}'::jsonb @> '{"A": "null"}'""", "false")]
    [InlineData("'{}'::jsonb @> '{}'", "true")]
    public async Task Containment_of_an_object_of_strings_means_that_each_key_has_that_very_string(string expression, string truth) =>
        Assert.Equal(truth, await PrintResultAsync(expression));

    [Theory]
    [InlineData("""'{"A": null}'::jsonb ?| '{X,A}'""", "true")]
    [InlineData("""'{"B": {"A": 1}}'::jsonb ?| '{A}'""", "false")]
    [InlineData("""'{"A": 1}'::jsonb ?| '{}'""", "false")]
    [InlineData("NULL::jsonb ?| '{A}'", null)]
    public async Task Any_of_the_keys_is_tested_on_the_first_level_and_is_unknown_for_SQL_NULL(string expression, string? truth) =>
        Assert.Equal(truth, await PrintResultAsync(expression));

    [Fact]
    public async Task Subtraction_from_a_scalar_raises_and_CASE_keeps_it_from_being_evaluated()
    {
        var failure = await Assert.ThrowsAsync<PostgresException>(
            () => PrintResultAsync("env - '{A}'::text[] FROM (VALUES ('1'::jsonb)) AS row (env)"));
        Assert.Equal(PostgresErrorCodes.InvalidParameterValue, failure.SqlState);

        Assert.Equal("kept", await PrintResultAsync(
            "CASE WHEN jsonb_typeof(env) = 'object' THEN (env - '{A}'::text[])::text ELSE 'kept' END FROM (VALUES ('1'::jsonb)) AS row " +
            "(env)"));
    }

    [Fact]
    public async Task A_NUL_is_refused_with_an_error_that_quotes_its_neighbours()
    {
        var failure = await Assert.ThrowsAsync<PostgresException>(() => PrintAsync("""{"TOKEN": "hunter2", "B": "\u0000"}"""));

        Assert.Equal(PostgresErrorCodes.UntranslatableCharacter, failure.SqlState);
        Assert.Contains("hunter2", failure.Where, StringComparison.Ordinal);
    }

    private Task<string?> PrintAsync(string json) => Database.ScalarAsync<string>("SELECT ($1::text::jsonb)::text", json);

    private Task<string?> PrintResultAsync(string expression)
    {
        var from = expression.IndexOf(" FROM ", StringComparison.Ordinal);
        return Database.ScalarAsync<string>(
            from < 0 ? $"SELECT ({expression})::text" : $"SELECT ({expression[..from]})::text{expression[from..]}");
    }
}
