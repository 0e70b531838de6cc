using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Any name works as it is, and none is read as SQL.</summary>
public sealed class IdentifierTests : DatabaseTest
{
    [Theory]
    [InlineData("Mixed Case", "ID", "Owner", "Status", "Env Vars", "Updated At", "Version")]
    [InlineData("quote\"d", "i\"d", "own\"er", "sta\"tus", "env\"", "\"", "\"\"")]
    [InlineData("select", "from", "where", "order", "group", "user", "table")]
    [InlineData("dots.in.name", "a.b", "c.d", "e.f", "g.h", "i.j", "k.l")]
    [InlineData("stacks; DROP TABLE stacks; --", "id = id OR 1=1", "$1", "'", "--", "/*", "*/")]
    [InlineData(
        "carriage\rreturn", "line\nfeed", "form\ffeed", "next\u0085line", "line\u2028separator", "paragraph\u2029separator", "tab\tbed")]
    [InlineData("таблица", "ключ", "владелец", "статус", "переменные", "время", "версия")]
    public async Task Odd_names_work(string table, string key, string owner, string status, string env, string updatedAt, string version)
    {
        using var builder = new NpgsqlCommandBuilder();
        string Quote(string name) => builder.QuoteIdentifier(name);
        await Database.ExecuteAsync(
            $"CREATE TABLE {Quote(table)} ({Quote(key)} bigint PRIMARY KEY, {Quote(owner)} bigint, {Quote(status)} text, {Quote(env)} " +
            $"jsonb, {Quote(updatedAt)} timestamptz, {Quote(version)} bigint)");
        await Database.ExecuteAsync($"INSERT INTO {Quote(table)} VALUES (1, 7, 'up', NULL, NULL), (2, 7, 'up', NULL, NULL)");
        var merger = Database.MergerWith(options =>
            (options.Table, options.KeyColumn, options.OwnerColumn, options.StatusColumn, options.EnvVarsColumn, options.UpdatedAtColumn,
                options.VersionColumn) =
            (table, key, owner, status, env, updatedAt, version));

        var result = await merger.MergeAsync(((StackRef)1L).OwnedBy(7).AtVersion(0), Changes(("A", "1")));

        Assert.Equal(1, result.Version);
        Assert.Equal(
            1,
            await Database.ScalarAsync<long>(
                $"SELECT count(*) FROM {Quote(table)} WHERE {Quote(env)} IS NOT NULL AND {Quote(updatedAt)} IS NOT NULL"));
    }

    [Theory]
    [InlineData("quote\"d")]
    [InlineData(@"back\slash")]
    [InlineData(@"\""")]
    [InlineData("comma,separated")]
    [InlineData("{A}")]
    [InlineData("NULL")]
    [InlineData(" ")]
    [InlineData("")]
    [InlineData("line\nfeed")]
    [InlineData("ключ")]
    public async Task Odd_keys_are_set_and_deleted_if_the_host_wants_them(string key)
    {
        var id = await Database.InsertAsync("""{"A": "1", "comma": "2", "separated": "3"}""");
        var merger = Database.MergerWith(static options => options.IsValidKey = static _ => true);

        var set = await merger.MergeAsync(id, Changes((key, "1")));
        var deleted = await merger.MergeAsync(id, Changes((key, ""), ("nowhere", "")));

        Assert.Equal("1", set.Env[key]);
        Assert.Equal((1, 3), (deleted.KeysDeleted, deleted.TotalAfter));
    }

    [Fact]
    public async Task A_schema_may_be_named()
    {
        var id = await Database.InsertAsync();
        await using var elsewhere = Database.DataSourceWith(static settings => settings.SearchPath = "public");
        var merger = new StackEnvMerger(elsewhere, new() { Schema = Database.Schema });

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }
}
