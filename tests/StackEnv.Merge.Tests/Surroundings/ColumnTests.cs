namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>The columns have the types that a merge relies on, or it is refused with the statement that changes them.</summary>
public sealed class ColumnTests : SurroundingsTest
{
    private const string Types =
        "CREATE DOMAIN note AS text; CREATE DOMAIN env AS jsonb CHECK (jsonb_typeof(value) = 'object'); CREATE DOMAIN named_env AS env; " +
        "CREATE DOMAIN env_text AS text; CREATE DOMAIN instant AS timestamptz; CREATE DOMAIN local_time AS timestamp; CREATE TYPE state " +
        "AS ENUM ('healthy', 'deleting'); CREATE DOMAIN named_state AS state; CREATE TYPE state_without AS ENUM ('healthy', 'DELETING'); " +
        "CREATE DOMAIN key AS varchar(80); CREATE DOMAIN number AS bigint";

    public static TheoryData<string, string, string> Unsuitable => new()
    {
        { "env_vars", "json", "jsonb" },
        { "env_vars", "text", "jsonb" },
        { "env_vars", "varchar(2000)", "jsonb" },
        { "env_vars", "env_text", "jsonb" },
        { "env_vars", "jsonb[]", "jsonb" },
        { "env_vars", "bytea", "jsonb" },
        { "env_vars", "jsonb GENERATED ALWAYS AS ('{}') STORED", "generated" },
        { "updated_at", "timestamp", "timestamptz" },
        { "updated_at", "timestamp(0)", "timestamptz" },
        { "updated_at", "local_time", "timestamptz" },
        { "updated_at", "date", "timestamptz" },
        { "updated_at", "time", "timestamptz" },
        { "updated_at", "text", "timestamptz" },
        { "updated_at", "bigint", "timestamptz" },
        { "updated_at", "timestamptz GENERATED ALWAYS AS ('2020-01-01 00:00:00+00'::timestamptz) STORED", "generated" },
        { "status", "int", "DeletingStatuses" },
        { "status", "boolean", "DeletingStatuses" },
        { "status", "state_without", "DeletingStatuses" },
    };

    public static TheoryData<string, string, string> Convertible => new()
    {
        { "env_vars", "json", """{"A": "0"}""" },
        { "env_vars", "text", """{"A": "0"}""" },
        { "env_vars", "varchar(2000)", """{"A": "0"}""" },
        { "updated_at", "timestamp", "2020-01-01 00:00:00" },
        { "updated_at", "date", "2020-01-01" },
        { "updated_at", "text", "2020-01-01 00:00:00+00" },
    };

    public static TheoryData<string, string> Suitable => new()
    {
        { "env_vars", "env" },
        { "env_vars", "named_env" },
        { "env_vars", "jsonb DEFAULT '{}'" },
        { "updated_at", "timestamptz(0)" },
        { "updated_at", "instant" },
        { "status", "varchar(20)" },
        { "status", "char(20)" },
        { "status", "name" },
        { "status", "note" },
        { "status", "state" },
        { "status", "named_state" },
    };

    public static TheoryData<string, object> KeysThatFit => new()
    {
        { "varchar", "7" },
        { "varchar(80)", "7" },
        { "name", "7" },
        { "note", "7" },
        { "key", "7" },
        { "text COLLATE \"C\"", "7" },
        { "text GENERATED ALWAYS AS (id::text) STORED", "00000000-0000-0000-0000-000000000007" },
        { "bigint", 7L },
        { "int", 7L },
        { "smallint", 7L },
        { "numeric", 7L },
        { "number", 7L },
    };

    public static TheoryData<string, object> KeysThatDoNotFit => new()
    {
        { "uuid", "shop" },
        { "bigint", "shop" },
        { "state", "healthy" },
        { "jsonb", "shop" },
        { "bytea", "shop" },
        { "text", 7L },
        { "uuid", 7L },
        { "boolean", 7L },
        { "text", Guid.Empty },
        { "bigint", Guid.Empty },
    };

    [Theory]
    [MemberData(nameof(Unsuitable))]
    public async Task A_column_of_a_type_that_does_not_do_is_named_before_anything_is_written(string column, string type, string needed)
    {
        await CreateAsync(column, type);
        await Database.ExecuteAsync("INSERT INTO app (id, slug) VALUES (gen_random_uuid(), 'shop')");
        var merger = App();

        await AssertUnsuitableAsync(merger, "shop", $"\"{column}\"", needed);
        await AssertUnsuitableAsync(merger, "missing", $"\"{column}\"", needed);
    }

    [Theory]
    [MemberData(nameof(Convertible))]
    public async Task The_statement_given_converts_the_column_and_the_same_merger_works(string column, string type, string value)
    {
        await CreateAsync(column, type);
        await Database.ExecuteAsync(
            $"INSERT INTO app (id, slug, status, {column}) VALUES (gen_random_uuid(), 'shop', 'healthy', $1::text::{type})", value);
        var merger = App();

        var failure = await AssertUnsuitableAsync(merger, "shop", column, "ALTER TABLE");
        var statement = failure.Message[failure.Message.IndexOf("ALTER TABLE", StringComparison.Ordinal)..];
        await Database.ExecuteAsync(statement[..(statement.IndexOf(';', StringComparison.Ordinal) + 1)]);

        Assert.True((await merger.MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    [Theory]
    [MemberData(nameof(Suitable))]
    public async Task A_column_of_another_type_that_does_is_merged_into(string column, string type)
    {
        await CreateAsync(column, type);
        await InsertAppAsync();
        await InsertAppAsync("going", "deleting");

        Assert.True((await App().MergeAsync("shop", Changes(("A", "1")))).Changed);
        await Assert.ThrowsAsync<StackDeletingException>(() => App().MergeAsync("going", Changes(("A", "1"))));
    }

    [Theory]
    [InlineData("int", "0", "9")]
    [InlineData("boolean", "false", "true")]
    public async Task A_status_without_words_is_seen_where_the_options_name_its_values(string type, string healthy, string deleting)
    {
        await CreateAsync("status", type);
        await Database.ExecuteAsync(
            $"INSERT INTO app (id, slug, status, env_vars) VALUES (gen_random_uuid(), 'shop', '{healthy}', '{{}}'), (gen_random_uuid(), " +
            $"'going', '{deleting}', '{{}}')");
        var merger = App(options =>
        {
            options.DeletingStatuses.Clear();
            options.DeletingStatuses.Add(deleting);
        });

        Assert.True((await merger.MergeAsync("shop", Changes(("A", "1")))).Changed);
        await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync("going", Changes(("A", "1"))));
    }

    [Fact]
    public async Task A_status_that_is_one_label_of_several_is_enough()
    {
        await CreateAsync("status", "state");
        await InsertAppAsync();

        Assert.True((await App(static options => options.DeletingStatuses.Add("deleted")).MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    [Theory]
    [MemberData(nameof(KeysThatFit))]
    public async Task A_key_that_the_index_finds_is_looked_up_in_it(string type, object key)
    {
        await CreateAsync("slug", type);
        await FillAsync(type);

        Assert.Equal((true, 0L), await MergeAndCountScansAsync(key));
    }

    [Theory]
    [InlineData("char(80)")]
    [InlineData("citext")]
    public async Task A_key_that_no_index_finds_is_refused_or_found_by_an_index_all_the_same(string type)
    {
        await Database.ExecuteAsync("CREATE EXTENSION IF NOT EXISTS citext SCHEMA public");
        await CreateAsync("slug", type.Replace("citext", "public.citext", StringComparison.Ordinal));
        await FillAsync(type);

        var before = await FootprintAsync();
        var failure = await Record.ExceptionAsync(async () => Assert.Equal((true, 0L), await MergeAndCountScansAsync("7")));
        if (failure is null)
        {
            return;
        }

        Assert.Equal("unsuitable_table", (failure as StackEnvMergeException)?.ErrorCode ?? failure.ToString());
        Assert.Contains("\"slug\"", failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, await FootprintAsync());
    }

    [Theory]
    [MemberData(nameof(KeysThatDoNotFit))]
    public async Task A_reference_that_does_not_fit_the_key_column_is_explained(string type, object key)
    {
        await CreateAsync("slug", type);
        var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => App().MergeAsync(Reference(key), Changes(("A", "1"))));

        Assert.False(failure.IsTransient);
        Assert.Contains("StackRef", failure.Message, StringComparison.Ordinal);
        Assert.Contains("\"slug\"", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_owner_that_does_not_fit_is_explained_and_one_that_is_not_named_does_not_matter()
    {
        await CreateAsync("team_id", "jsonb");
        await Database.ExecuteAsync("INSERT INTO app (id, slug, status, env_vars) VALUES (gen_random_uuid(), 'shop', 'healthy', '{}')");
        var merger = App();

        Assert.True((await merger.MergeAsync("shop", Changes(("A", "1")))).Changed);
        var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync(OwnShop, Changes(("A", "2"))));
        Assert.Contains("\"team_id\"", failure.Message, StringComparison.Ordinal);
        Assert.True((await merger.MergeAsync("shop", Changes(("A", "3")))).Changed);
    }

    [Fact]
    public async Task Columns_that_no_merge_uses_may_be_missing()
    {
        await Database.ExecuteAsync("CREATE TABLE app (slug text PRIMARY KEY, status text, env_vars jsonb)");
        await Database.ExecuteAsync("INSERT INTO app VALUES ('shop', 'healthy', '{}')");

        Assert.True((await App(static options => options.UpdatedAtColumn = null).MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    private static StackRef Reference(object key) => key switch
    {
        Guid uuid => uuid,
        long number => number,
        _ => (string)key,
    };

    private async Task CreateAsync(string column, string type)
    {
        await Database.ExecuteAsync(Types);
        var columns = string.Join(", ", Columns.Split(", ").Select(definition =>
            definition.StartsWith(column + " ", StringComparison.Ordinal) ? $"{column} {type}" : definition));
        await Database.ExecuteAsync($"CREATE TABLE app ({columns})");
        await Database.ExecuteAsync("CREATE UNIQUE INDEX ON app (slug)");
    }

    private async Task FillAsync(string type)
    {
        var (column, value) = type.Contains("GENERATED", StringComparison.Ordinal)
            ? ("", "")
            : ("slug, ", $"n::text::{type.Replace("citext", "public.citext", StringComparison.Ordinal)}, ");
        await Database.ExecuteAsync(
            $$"""
            INSERT INTO app (id, {{column}}status, env_vars)
            SELECT lpad(n::text, 32, '0')::uuid, {{value}}'healthy', '{}' FROM generate_series(1, 5000) AS n
            """);
        await Database.ExecuteAsync("ANALYZE app");
    }

    private async Task<(bool Changed, long Scans)> MergeAndCountScansAsync(object key)
    {
        await Database.ExecuteAsync("CREATE TABLE scans (number bigint)");
        var count = new Journal(
            static (_, _) => [new("INSERT INTO scans SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relid = 'app'::regclass")]);

        // A session of its own: the view also counts what its session did in earlier transactions and has not reported yet.
        await using var dataSource = Database.DataSourceWith(static settings => settings.Pooling = false);
        var merger = App(dataSource: dataSource, journals: count);
        var result = await merger.MergeAsync(Reference(key), Changes(("A", "1")));
        return (result.Changed, await Database.ScalarAsync<long>("SELECT number FROM scans"));
    }
}
