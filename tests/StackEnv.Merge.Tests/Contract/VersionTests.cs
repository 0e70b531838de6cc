using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Each merge that writes raises the version by one, and a merge can ask for the version that it is meant for.</summary>
public sealed class VersionTests : DatabaseTest, IAsyncLifetime
{
    private StackEnvMerger _merger = null!;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN version bigint DEFAULT 0");
        _merger = Database.MergerWith(static options => options.VersionColumn = "version");
    }

    [Fact]
    public async Task Each_merge_that_writes_raises_the_version_by_one()
    {
        var id = await InsertAsync(version: 16);

        Assert.Equal(17, (await _merger.MergeAsync(id, Changes(("A", "1")))).Version);
        Assert.Equal(18, (await _merger.MergeAsync(id, Changes(("A", "")))).Version);
        Assert.Equal(18, await VersionAsync(id));
    }

    [Fact]
    public async Task A_merge_that_changes_nothing_says_the_version_and_leaves_it()
    {
        var id = await InsertAsync(version: 16, """{"A": "1"}""");
        var before = await FootprintAsync(id);

        Assert.Equal(16, (await _merger.MergeAsync(id, Changes(("A", "1")))).Version);
        Assert.Equal(16, (await _merger.MergeAsync(AtVersion(id, 16), Changes(("ABSENT", "")))).Version);

        Assert.Equal(before, await FootprintAsync(id));
    }

    [Fact]
    public async Task Without_the_option_there_is_no_version_and_the_column_stays()
    {
        var id = await InsertAsync(version: 16);

        Assert.Null((await Database.Merger.MergeAsync(id, Changes(("A", "1")))).Version);
        Assert.Equal(16, await VersionAsync(id));
    }

    [Fact]
    public async Task SQL_NULL_is_version_0()
    {
        var id = await InsertAsync(version: null, """{"A": "1"}""");

        Assert.Equal(0, (await _merger.MergeAsync(id, Changes(("A", "1")))).Version);
        var refused = await FailsAsync(AtVersion(id, 1), Changes(("A", "2")));
        Assert.Equal(0, refused.Actual);
        Assert.Equal(1, (await _merger.MergeAsync(AtVersion(id, 0), Changes(("A", "2")))).Version);
        Assert.Equal(1, await VersionAsync(id));
    }

    [Theory]
    [InlineData(16, 17)]
    [InlineData(18, 17)]
    [InlineData(-1, 1)]
    [InlineData(long.MinValue, long.MaxValue)]
    public async Task Another_version_is_refused_and_nothing_is_written(long expected, long actual)
    {
        var id = await InsertAsync(actual);
        var before = await FootprintAsync(id);

        var refused = await FailsAsync(AtVersion(id, expected), Changes(("A", "1")));

        Assert.Equal((expected, actual, false), (refused.Expected, refused.Actual, refused.IsTransient));
        Assert.Equal(AtVersion(id, expected), refused.Stack);
        Assert.Equal(before, await FootprintAsync(id));
    }

    [Theory]
    [InlineData(17)]
    [InlineData(0)]
    [InlineData(-5)]
    [InlineData(long.MinValue)]
    public async Task The_version_asked_for_is_merged_into(long version)
    {
        var id = await InsertAsync(version);

        Assert.Equal(version + 1, (await _merger.MergeAsync(AtVersion(id, version), Changes(("A", "1")))).Version);
    }

    [Fact]
    public async Task A_mismatch_comes_before_everything_but_a_teardown()
    {
        var merger = Database.MergerWith(static options => (options.VersionColumn, options.MaxEnvBytes) = ("version", 20));
        var full = await InsertAsync(7, """{"A": "1"}""");
        var broken = await InsertAsync(7, "[]");
        var deleting = await InsertAsync(7);
        await Database.ExecuteAsync("UPDATE stacks SET status = 'deleting' WHERE id = $1", deleting);

        foreach (var (id, changes) in new[]
        {
            (full, Changes(("A", "1"))),
            (full, Changes()),
            (full, Changes(("B", "1234567890"))),
            (broken, Changes(("A", "1"))),
        })
        {
            var refused = await Assert.ThrowsAsync<StackVersionException>(() => merger.MergeAsync(AtVersion(id, 6), changes));
            Assert.Equal((6L, 7L), (refused.Expected, refused.Actual));
        }

        await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync(AtVersion(deleting, 6), Changes(("A", "1"))));
        await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(AtVersion(full, 7), Changes(("B", "1234567890"))));
        await Assert.ThrowsAsync<StoredEnvInvalidException>(() => merger.MergeAsync(AtVersion(broken, 7), Changes(("A", "1"))));
    }

    [Fact]
    public async Task The_owner_is_checked_with_the_version_and_another_owners_stack_does_not_show_its_version()
    {
        var team = Guid.NewGuid();
        StackRef stack = await Database.InsertAsync(team: team);

        Assert.Equal(1, (await _merger.MergeAsync(stack.OwnedBy(team).AtVersion(0), Changes(("A", "1"), ("B", "")))).Version);
        Assert.Equal(2, (await _merger.MergeAsync(stack.AtVersion(1).OwnedBy(team), Changes(("B", "1"), ("A", "")))).Version);
        var missing = await Assert.ThrowsAsync<StackNotFoundException>(
            () => _merger.MergeAsync(stack.OwnedBy(Guid.NewGuid()).AtVersion(0), Changes(("A", "1"))));
        Assert.DoesNotContain("version", missing.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_many_merges_into_one_version_one_writes_and_each_other_gets_the_version()
    {
        var id = await InsertAsync(version: 0);

        var results = await Task.WhenAll(Enumerable.Range(0, 20).Select(async number =>
        {
            try
            {
                return (await _merger.MergeAsync(AtVersion(id, 0), Changes(("A", $"{number}")))).Version;
            }
            catch (StackVersionException refused)
            {
                return -refused.Actual;
            }
        }));

        Assert.Equal(1, results.Count(static version => version == 1));
        Assert.Equal(19, results.Count(static version => version == -1));
        Assert.Equal(1, await VersionAsync(id));
    }

    [Fact]
    public async Task A_merge_that_waits_is_judged_by_the_version_that_the_other_one_committed()
    {
        var id = await InsertAsync(version: 5);
        await using var holder = await Database.HoldAsync("UPDATE stacks SET version = 6 WHERE id = $1", id);
        var stale = _merger.MergeAsync(AtVersion(id, 5), Changes(("A", "1")));
        await Database.WaitersAsync(1);

        await holder.CommitStatusAsync(id, "failed");

        Assert.Equal(6, (await Assert.ThrowsAsync<StackVersionException>(() => stale)).Actual);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task Near_the_limit_and_in_SQL_NULL_the_second_attempt_raises_the_version_once()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ALTER env_vars DROP NOT NULL");
        var id = await InsertAsync(version: 5);
        await Database.ExecuteAsync("UPDATE stacks SET env_vars = NULL");
        var merger = Database.MergerWith(static options => (options.VersionColumn, options.MaxEnvBytes) = ("version", 100));

        Assert.Equal(6, (await merger.MergeAsync(AtVersion(id, 5), Changes(("A", "1")))).Version);
        Assert.Equal(7, (await merger.MergeAsync(AtVersion(id, 6), Changes(("A", new string('x', 90))))).Version);
        await Assert.ThrowsAsync<StackVersionException>(() => merger.MergeAsync(AtVersion(id, 6), Changes(("A", new string('y', 90)))));
    }

    [Fact]
    public async Task The_version_is_the_one_that_a_trigger_stores()
    {
        var id = await InsertAsync(version: 5);
        await Database.ExecuteAsync(Trigger.On("NEW.version := NEW.version + 10"));

        Assert.Equal(16, (await _merger.MergeAsync(id, Changes(("A", "1")))).Version);
    }

    [Fact]
    public async Task A_journal_gets_the_version_and_is_not_called_for_a_mismatch()
    {
        var id = await InsertAsync(version: 5);
        var seen = new List<(long? Asked, long? Version)>();
        var journal = new Journal((stack, result) =>
        {
            seen.Add((stack.Version, result.Version));
            return [];
        });
        var merger = new StackEnvMerger(Database.DataSource, new() { VersionColumn = "version" }, journals: [journal]);

        await merger.MergeAsync(AtVersion(id, 5), Changes(("A", "1")));
        await Assert.ThrowsAsync<StackVersionException>(() => merger.MergeAsync(AtVersion(id, 5), Changes(("A", "2"))));
        await merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Equal([(5L, 6L), (null, 6L)], seen);
    }

    [Fact]
    public async Task A_version_that_cannot_be_raised_fails_the_merge_and_nothing_is_written()
    {
        var id = await InsertAsync(long.MaxValue);
        var before = await FootprintAsync(id);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => _merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal((PostgresErrorCodes.NumericValueOutOfRange, false), (failure.SqlState, failure.IsTransient));
        Assert.Equal(before, await FootprintAsync(id));
    }

    [Fact]
    public async Task A_slim_data_source_works_with_versions()
    {
        var id = await InsertAsync(version: 5);
        await using var slim = new NpgsqlSlimDataSourceBuilder(Database.ConnectionString).Build();

        var result = await new StackEnvMerger(slim, new() { VersionColumn = "version" }).MergeAsync(AtVersion(id, 5), Changes(("A", "1")));

        Assert.Equal(6, result.Version);
    }

    [Fact]
    public async Task A_version_column_that_became_another_number_still_counts()
    {
        var id = await InsertAsync(version: 5);
        await _merger.MergeAsync(id, Changes(("A", "1")));
        await Database.ExecuteAsync("ALTER TABLE stacks ALTER COLUMN version TYPE int");

        Assert.Equal(7, (await _merger.MergeAsync(AtVersion(id, 6), Changes(("A", "2")))).Version);
    }

    private static StackRef AtVersion(Guid id, long version) => ((StackRef)id).AtVersion(version);

    private Task<StackVersionException> FailsAsync(StackRef stack, Dictionary<string, string?> changes) =>
        Assert.ThrowsAsync<StackVersionException>(() => _merger.MergeAsync(stack, changes));

    private async Task<Guid> InsertAsync(long? version, string env = "{}")
    {
        var id = await Database.InsertAsync(env);
        await Database.ExecuteAsync("UPDATE stacks SET version = $2 WHERE id = $1", id, version is { } number ? number : DBNull.Value);
        return id;
    }

    private Task<long> VersionAsync(Guid id) => Database.ScalarAsync<long>("SELECT version FROM stacks WHERE id = $1", id);

    private async Task<string> FootprintAsync(Guid id) => $"{await Database.FootprintAsync(id)} {await VersionAsync(id)}";
}
