namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A table that Citus distributes is recognized by the trigger that Citus creates on it, and refused if a merge would fail there or change
/// values. <c>eng/citus.sh</c> runs the other tests on Citus itself.
/// </summary>
public sealed class DistributedTableTests : DatabaseTest
{
    [Fact]
    public async Task An_enum_status_is_refused()
    {
        await CreateAsync("state");
        var merger = Database.MergerWith(static options => options.Table = "sharded");

        var refused = await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync(Guid.Empty, Changes(("A", "1"))));
        await Database.ExecuteAsync("ALTER TABLE sharded ALTER COLUMN status TYPE text USING status::text");

        Assert.Contains("Citus cannot compare an enum", refused.Message, StringComparison.Ordinal);
        Assert.Contains("ALTER COLUMN \"status\" TYPE text USING \"status\"::text;", refused.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(Guid.Empty, Changes(("A", "1"))));
    }

    [Theory]
    [InlineData("standard_conforming_strings", "off", "on", "it doubles the backslashes of values")]
    [InlineData("DateStyle", "SQL,DMY", "ISO", "it can change the time of a merge")]
    [InlineData("DateStyle", "German", "ISO", "it can change the time of a merge")]
    [InlineData("DateStyle", "Postgres", "ISO", "it can change the time of a merge")]
    public async Task A_session_whose_literals_a_worker_reads_differently_is_refused(
        string setting, string value, string needed, string harm)
    {
        await CreateAsync("text");
        await using var dataSource = Database.DataSourceWith(settings => settings.Options = $"-c {setting}={value}");
        var merger = new StackEnvMerger(dataSource, new() { Table = "sharded" });

        for (var turn = 0; turn < 2; turn++)
        {
            var refused = await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync(Guid.Empty, Changes(("A", "1"))));
            Assert.Contains($"{setting} is {value.Split(',')[0]}", refused.Message, StringComparison.Ordinal);
            Assert.EndsWith(
                $" in this session. On a table that Citus distributes, {harm}. Set it to {needed} where it is set: for the role, the " +
                "database, the server, or in Options of the connection string.",
                refused.Message,
                StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("standard_conforming_strings", "on")]
    [InlineData("DateStyle", "ISO,DMY")]
    public async Task Any_other_session_is_not(string setting, string value)
    {
        await CreateAsync("text");
        await using var dataSource = Database.DataSourceWith(settings => settings.Options = $"-c {setting}={value}");

        await Assert.ThrowsAsync<StackNotFoundException>(
            () => new StackEnvMerger(dataSource, new() { Table = "sharded" }).MergeAsync(Guid.Empty, Changes(("A", "1"))));
    }

    private Task CreateAsync(string statusType) => Database.ExecuteAsync(
        "CREATE TYPE state AS ENUM ('healthy', 'deleting'); " +
        $"CREATE TABLE sharded (id uuid PRIMARY KEY, status {statusType}, env_vars jsonb, updated_at timestamptz); " +
        "CREATE FUNCTION citus_truncate_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; " +
        "CREATE TRIGGER truncate_trigger_1 AFTER TRUNCATE ON sharded EXECUTE FUNCTION citus_truncate_trigger()");
}
