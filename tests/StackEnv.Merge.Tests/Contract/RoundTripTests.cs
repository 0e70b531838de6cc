using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>A steady-state merge is one flush of the client, answered by one reply of the server. A proxy on the wire counts.</summary>
public sealed class RoundTripTests : DatabaseTest, IAsyncLifetime
{
    private WireProxy _proxy = null!;
    private NpgsqlDataSource _dataSource = null!;
    private StackEnvMerger _merger = null!;
    private Guid _id;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        (_proxy, _dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
        _merger = new(_dataSource, new() { MaxEnvBytes = 100 });
        _id = await Database.InsertAsync("""{"A": "1"}""");
        await _merger.MergeAsync(_id, Changes(("WARM", "up")));
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        await _dataSource.DisposeAsync();
        await _proxy.DisposeAsync();
        await DisposeAsync();
    }

    [Fact]
    public async Task A_merge_that_changes_something_is_one_round_trip() =>
        Assert.Equal(1, await CountAsync(() => _merger.MergeAsync(_id, Changes(("B", "2"), ("A", "")))));

    [Fact]
    public async Task A_merge_that_changes_nothing_is_one_round_trip() =>
        Assert.Equal(1, await CountAsync(() => _merger.MergeAsync(_id, Changes(("A", "1")))));

    [Fact]
    public async Task A_merge_into_one_version_is_one_round_trip_and_so_is_its_refusal()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN version bigint");
        var merger = new StackEnvMerger(_dataSource, new() { VersionColumn = "version" });
        await merger.MergeAsync(_id, Changes(("WARM", "up")));
        var stack = ((StackRef)_id).AtVersion(0);

        Assert.Equal(1, await CountAsync(() => merger.MergeAsync(stack, Changes(("B", "2")))));
        Assert.Equal(1, await CountAsync(
            () => Assert.ThrowsAsync<StackVersionException>(() => merger.MergeAsync(stack, Changes(("B", "3"))))));
    }

    [Fact]
    public async Task Not_found_is_one_round_trip() =>
        Assert.Equal(1, await CountAsync(
            () => Assert.ThrowsAsync<StackNotFoundException>(() => _merger.MergeAsync(Guid.NewGuid(), Changes(("A", "2"))))));

    [Fact]
    public async Task In_teardown_is_one_round_trip()
    {
        var deleting = await Database.InsertAsync(status: "deleting");

        Assert.Equal(
            1, await CountAsync(() => Assert.ThrowsAsync<StackDeletingException>(() => _merger.MergeAsync(deleting, Changes(("A", "2"))))));
    }

    [Fact]
    public async Task Too_large_is_one_round_trip()
    {
        var changes = Changes(("B", new string('x', 80)));

        Assert.Equal(1, await CountAsync(() => Assert.ThrowsAsync<EnvTooLargeException>(() => _merger.MergeAsync(_id, changes))));
    }

    [Fact]
    public async Task Near_the_limit_is_two_round_trips_because_the_size_has_to_be_exact()
    {
        var changes = Changes(("B", new string('x', 70)));

        Assert.Equal(2, await CountAsync(() => _merger.MergeAsync(_id, changes)));
    }

    [Fact]
    public async Task SQL_NULL_is_two_round_trips_once()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ALTER env_vars DROP NOT NULL");
        await Database.ExecuteAsync("UPDATE stacks SET env_vars = NULL");

        Assert.Equal(2, await CountAsync(() => _merger.MergeAsync(_id, Changes(("A", "1")))));
        Assert.Equal(1, await CountAsync(() => _merger.MergeAsync(_id, Changes(("A", "2")))));
    }

    [Fact]
    public async Task Without_an_index_that_proves_one_row_is_two_round_trips()
    {
        await Database.ExecuteAsync("CREATE TABLE base AS SELECT * FROM stacks");
        await Database.ExecuteAsync("CREATE VIEW app AS SELECT * FROM base");
        var merger = new StackEnvMerger(_dataSource, new() { Table = "app" });
        await merger.MergeAsync(_id, Changes(("WARM", "up")));

        Assert.Equal(2, await CountAsync(() => merger.MergeAsync(_id, Changes(("B", "2"), ("A", "")))));
        Assert.Equal(2, await CountAsync(() => merger.MergeAsync(_id, Changes(("B", "2")))));
    }

    [Fact]
    public async Task Twenty_merges_are_twenty_round_trips() =>
        Assert.Equal(20, await CountAsync(async () =>
        {
            for (var turn = 0; turn < 20; turn++)
            {
                await _merger.MergeAsync(_id, Changes(("B", $"{turn}")));
            }
        }));

    [Fact]
    public async Task What_is_invalid_or_too_large_by_itself_is_none() =>
        Assert.Equal(0, await CountAsync(async () =>
        {
            await Assert.ThrowsAsync<InvalidEnvKeyException>(() => _merger.MergeAsync(_id, Changes(("b", "1"))));
            await Assert.ThrowsAsync<EnvTooLargeException>(() => _merger.MergeAsync(_id, Changes(("B", new string('x', 101)))));
        }));

    private async Task<int> CountAsync(Func<Task> merge)
    {
        _proxy.Arm(fault: null);
        await merge();
        return _proxy.RoundTrips;
    }
}
