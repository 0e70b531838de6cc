using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Where the table is not as the options say, the message says what to do, and doing it helps.</summary>
public sealed class SchemaAdviceTests : DatabaseTest
{
    public static TheoryData<string, Action<StackEnvMergeOptions>> WrongColumns => new()
    {
        { "StatusColumn", static options => options.StatusColumn = "state" },
        { "EnvVarsColumn", static options => options.EnvVarsColumn = "Env" },
        { "OwnerColumn", static options => options.OwnerColumn = "owner" },
        { "UpdatedAtColumn", static options => options.UpdatedAtColumn = "changed_at" },
        { "VersionColumn", static options => options.VersionColumn = "revision" },
    };

    [Theory]
    [MemberData(nameof(WrongColumns))]
    public async Task A_missing_column_is_named_and_the_statement_given_adds_it(string option, Action<StackEnvMergeOptions> configure)
    {
        var team = Guid.NewGuid();
        var stack = ((StackRef)await Database.InsertAsync(team: team)).OwnedBy(team);
        var merger = Database.MergerWith(configure);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(stack, Changes(("A", "1"))));
        Assert.Equal(PostgresErrorCodes.UndefinedColumn, failure.SqlState);
        Assert.Contains($"Set StackEnvMergeOptions.{option} ", failure.Message, StringComparison.Ordinal);

        await Database.ExecuteAsync(failure.Message[failure.Message.IndexOf("ALTER TABLE", StringComparison.Ordinal)..]);
        await Database.ExecuteAsync(
            string.Equals(option, "OwnerColumn", StringComparison.Ordinal) ? "UPDATE stacks SET owner = team_id" : "SELECT");
        Assert.True((await merger.MergeAsync(stack, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_missing_column_is_named_after_a_name_with_a_character_outside_the_basic_plane()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks RENAME env_vars TO \"🚀\"");

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => Database.MergerWith(static options => (options.EnvVarsColumn, options.KeyColumn) = ("🚀", "name")).MergeAsync(
                "shop", Changes(("A", "1"))));

        Assert.Contains("Set StackEnvMergeOptions.KeyColumn ", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_key_column_is_named()
    {
        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => Database.MergerWith(static options => options.KeyColumn = "name").MergeAsync("shop", Changes(("A", "1"))));

        Assert.Contains(
            "Set StackEnvMergeOptions.KeyColumn to the right column of \"stacks\", or add it: " +
            "ALTER TABLE \"stacks\" ADD COLUMN \"name\" text",
            failure.Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("nowhere")]
    public async Task A_missing_table_is_named_and_the_statement_given_creates_it(string? schema)
    {
        var merger = Database.MergerWith(options => (options.Schema, options.Table) = (schema, "Stack Rows"));

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => merger.MergeAsync(((StackRef)1L).OwnedBy("me"), Changes(("A", "1"))));
        Assert.Equal(PostgresErrorCodes.UndefinedTable, failure.SqlState);
        Assert.Contains(
            "Set StackEnvMergeOptions.Schema and .Table to the table of your stacks", failure.Message, StringComparison.Ordinal);

        var create = failure.Message[failure.Message.IndexOf("CREATE TABLE", StringComparison.Ordinal)..];
        Assert.StartsWith(
            schema is null ? "CREATE TABLE \"Stack Rows\" (" : "CREATE TABLE \"nowhere\".\"Stack Rows\" (",
            create,
            StringComparison.Ordinal);
        if (schema is null)
        {
            await Database.ExecuteAsync(create);
            await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(((StackRef)1L).OwnedBy("me"), Changes(("A", "1"))));
        }
    }

    [Fact]
    public async Task A_reference_of_the_wrong_type_is_explained()
    {
        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync("shop", Changes(("A", "1"))));

        Assert.Contains("does not fit this StackRef: make it from a Guid for uuid", failure.Message, StringComparison.Ordinal);
    }
}
