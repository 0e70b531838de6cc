using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>The types that the columns of a host's table may have.</summary>
public sealed class ColumnTypeTests : DatabaseTest
{
    [Theory]
    [InlineData("uuid")]
    [InlineData("text")]
    [InlineData("varchar")]
    [InlineData("varchar(80)")]
    [InlineData("bigint")]
    [InlineData("integer")]
    [InlineData("smallint")]
    [InlineData("numeric")]
    [InlineData("uuid_domain")]
    [InlineData("text_domain")]
    [InlineData("bigint_domain")]
    public async Task A_key_and_an_owner_may_be_of_any_type_that_the_references_type_compares_with(string type)
    {
        foreach (var plain in new[] { "uuid", "text", "bigint" })
        {
            await Database.ExecuteAsync($"CREATE DOMAIN {plain}_domain AS {plain} CHECK (value IS NOT NULL)");
        }

        var (mine, team, others) = type switch
        {
            "uuid" or "uuid_domain" => ((StackRef)Guid.NewGuid(), (StackRef)Guid.NewGuid(), (StackRef)Guid.NewGuid()),
            "text" or "text_domain" or "varchar" or "varchar(80)" => ("mine", "team", "others"),
            _ => (1L, 2L, 3L),
        };
        await Database.ExecuteAsync(
            $"CREATE TABLE typed (id {type} PRIMARY KEY, team_id {type}, status text, env_vars jsonb, updated_at timestamptz)");
        foreach (var id in new[] { mine, others })
        {
            await Database.ExecuteAsync(
                $"INSERT INTO typed VALUES ($1::text::{type}, $2::text::{type}, 'up', '{{}}')", $"{id.Key}", $"{team.Key}");
        }

        var result = await Typed().MergeAsync(Owned(mine, team), Changes(("A", "1")));

        Assert.Equal((1, 0, 1, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
        Assert.Equal(1, await Database.ScalarAsync<long>("SELECT count(*) FROM typed WHERE env_vars = '{}'"));
        await Assert.ThrowsAsync<StackNotFoundException>(() => Typed().MergeAsync(Owned(mine, others), Changes(("A", "2"))));
    }

    [Theory]
    [InlineData("text")]
    [InlineData("varchar")]
    [InlineData("varchar(20)")]
    [InlineData("char(20)")]
    [InlineData("name")]
    [InlineData("status_domain")]
    [InlineData("status_enum")]
    [InlineData("enum_domain")]
    public async Task A_teardown_is_seen_in_a_status_of_any_type_with_a_text(string type)
    {
        await Database.ExecuteAsync("CREATE DOMAIN status_domain AS text");
        await Database.ExecuteAsync("CREATE TYPE status_enum AS ENUM ('up', 'deleting')");
        await Database.ExecuteAsync("CREATE DOMAIN enum_domain AS status_enum");
        await Database.ExecuteAsync($"CREATE TABLE typed (id bigint PRIMARY KEY, status {type}, env_vars jsonb, updated_at timestamptz)");
        await Database.ExecuteAsync("INSERT INTO typed VALUES (1, 'up', '{}'), (2, 'deleting', '{}')");

        Assert.True((await Typed().MergeAsync(1L, Changes(("A", "1")))).Changed);
        Assert.Equal(
            "deleting", (await Assert.ThrowsAsync<StackDeletingException>(() => Typed().MergeAsync(2L, Changes(("A", "1"))))).Status);
    }

    [Theory]
    [InlineData("timestamptz")]
    [InlineData("timestamptz(0)")]
    public async Task The_time_of_the_write_is_stored(string type)
    {
        await Database.ExecuteAsync($"CREATE TABLE typed (id bigint PRIMARY KEY, status text, env_vars jsonb, updated_at {type})");
        await Database.ExecuteAsync("INSERT INTO typed VALUES (1, 'up', '{}')");

        await Typed().MergeAsync(1L, Changes(("A", "1")));

        Assert.Equal(0, await Database.ScalarAsync<int>("SELECT abs(current_date - updated_at::date) / 2 FROM typed"));
    }

    [Fact]
    public async Task The_set_may_be_of_a_domain_over_jsonb_whose_check_holds()
    {
        await Database.ExecuteAsync("CREATE DOMAIN env AS jsonb CHECK (NOT value ? 'B')");
        await Database.ExecuteAsync("CREATE TABLE typed (id bigint PRIMARY KEY, status text, env_vars env, updated_at timestamptz)");
        await Database.ExecuteAsync("INSERT INTO typed VALUES (1, 'up', '{\"OLD\": \"o\"}')");

        var result = await Typed().MergeAsync(1L, Changes(("A", "1"), ("OLD", "")));
        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Typed().MergeAsync(1L, Changes(("B", "1"))));

        Assert.Equal((1, 1, 1), (result.KeysSet, result.KeysDeleted, result.TotalAfter));
        Assert.Equal(PostgresErrorCodes.CheckViolation, failure.SqlState);
    }

    [Fact]
    public async Task Columns_that_are_generated_from_the_set_follow_it()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN level text GENERATED ALWAYS AS (env_vars->>'LEVEL') STORED");
        var id = await Database.InsertAsync();

        await Database.Merger.MergeAsync(id, Changes(("LEVEL", "info")));

        Assert.Equal("info", await Database.ScalarAsync<string>("SELECT level FROM stacks"));
    }

    private StackEnvMerger Typed() => Database.MergerWith(static options => options.Table = "typed");

    private static StackRef Owned(StackRef stack, StackRef owner) => owner.Key switch
    {
        Guid uuid => stack.OwnedBy(uuid),
        long number => stack.OwnedBy(number),
        var text => stack.OwnedBy((string)text),
    };
}
