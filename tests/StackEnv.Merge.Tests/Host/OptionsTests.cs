using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Options and data sources that cannot work are refused when the merger is made.</summary>
public sealed class OptionsTests : IAsyncDisposable
{
    private readonly NpgsqlDataSource _nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=nobody");

    public static TheoryData<string, Action<StackEnvMergeOptions>> Invalid => new()
    {
        { "Schema is empty", static options => options.Schema = "" },
        { "Table is empty", static options => options.Table = "" },
        { "Table is empty", static options => options.Table = null! },
        { "Table has a character that PostgreSQL cannot store", static options => options.Table = "a\0b" },
        { "KeyColumn is empty", static options => options.KeyColumn = "" },
        { "OwnerColumn is empty", static options => options.OwnerColumn = "" },
        { "StatusColumn is empty", static options => options.StatusColumn = "" },
        { "EnvVarsColumn is empty", static options => options.EnvVarsColumn = "" },
        { "UpdatedAtColumn is empty", static options => options.UpdatedAtColumn = "" },
        { "VersionColumn is empty", static options => options.VersionColumn = "" },
        { "VersionColumn has a character that PostgreSQL cannot store", static options => options.VersionColumn = "a\0b" },
        {
            "VersionColumn names a column that has another use, and a merge would overwrite it",
            static options => options.VersionColumn = "id"
        },
        {
            "VersionColumn names a column that has another use, and a merge would overwrite it",
            static options => options.VersionColumn = options.OwnerColumn
        },
        {
            "VersionColumn names a column that has another use, and a merge would overwrite it",
            static options => options.VersionColumn = options.UpdatedAtColumn
        },
        {
            "DeletingStatuses names no status, so that a stack in teardown would be written to",
            static options => options.DeletingStatuses.Clear()
        },
        { "DeletingStatuses has a status that PostgreSQL cannot store", static options => options.DeletingStatuses.Add("a\0b") },
        {
            "LockTimeout must be from 1 ms to 2147483647 ms (0 would let PostgreSQL wait indefinitely)",
            static options => options.LockTimeout = TimeSpan.Zero
        },
        {
            "LockTimeout must be from 1 ms to 2147483647 ms (0 would let PostgreSQL wait indefinitely)",
            static options => options.LockTimeout = Timeout.InfiniteTimeSpan
        },
        {
            "LockTimeout must be from 1 ms to 2147483647 ms (0 would let PostgreSQL wait indefinitely)",
            static options => options.LockTimeout = TimeSpan.FromTicks(9_999)
        },
        {
            "LockTimeout must be from 1 ms to 2147483647 ms (0 would let PostgreSQL wait indefinitely)",
            static options => options.LockTimeout = TimeSpan.FromMilliseconds(int.MaxValue + 1L)
        },
        { "MaxEnvBytes must be at least 2, the size of an empty set", static options => options.MaxEnvBytes = 1 },
        { "IsValidKey is null", static options => options.IsValidKey = null! },
    };

    public ValueTask DisposeAsync() => _nowhere.DisposeAsync();

    [Theory]
    [MemberData(nameof(Invalid))]
    public void An_invalid_option_is_named(string complaint, Action<StackEnvMergeOptions> makeInvalid)
    {
        var options = new StackEnvMergeOptions();
        makeInvalid(options);

        var refused = Assert.Throws<ArgumentException>("options", () => new StackEnvMerger(_nowhere, options));

        Assert.StartsWith($"StackEnvMergeOptions.{complaint}.", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_defaults_are_the_documented_ones()
    {
        var options = new StackEnvMergeOptions();

        Assert.Null(options.Schema);
        Assert.Equal(
            ("stacks", "id", "team_id", "status", "env_vars", "updated_at"),
            (options.Table, options.KeyColumn, options.OwnerColumn, options.StatusColumn, options.EnvVarsColumn, options.UpdatedAtColumn));
        Assert.Null(options.VersionColumn);
        Assert.Equal(["deleting"], options.DeletingStatuses);
        Assert.Equal((TimeSpan.FromSeconds(3), 65_536, false), (options.LockTimeout, options.MaxEnvBytes, options.RequireOwner));
    }

    [Fact]
    public async Task Later_changes_of_the_options_do_not_reach_the_merger()
    {
        var options = new StackEnvMergeOptions();
        var merger = new StackEnvMerger(_nowhere, options);

        options.RequireOwner = true;
        options.IsValidKey = static _ => false;

        await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(1L, new Dictionary<string, string?> { ["A"] = "1" }));
    }

    [Fact]
    public void A_missing_data_source_is_a_misuse() =>
        Assert.Throws<ArgumentNullException>("dataSource", static () => new StackEnvMerger(null!));

    [Fact]
    public async Task A_multiplexing_data_source_is_refused()
    {
        await using var multiplexing = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Multiplexing=true");

        var misuse = Assert.Throws<ArgumentException>("dataSource", () => new StackEnvMerger(multiplexing));
        Assert.Contains("Use a data source without Multiplexing=true", misuse.Message, StringComparison.Ordinal);
    }
}
