using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Tests;

/// <summary>Databases whose encoding is not UTF8: what fits is merged, and what does not fit is refused without being shown.</summary>
public sealed class DatabaseEncodingTests : DatabaseTest, IAsyncLifetime
{
    private readonly string _name = $"d_{Guid.NewGuid():N}";

    private NpgsqlDataSource _dataSource = null!;

    async Task IAsyncLifetime.DisposeAsync()
    {
        await _dataSource.DisposeAsync();
        await Database.ExecuteAsync($"DROP DATABASE {_name}");
        await DisposeAsync();
    }

    [Fact]
    public async Task LATIN1_takes_what_it_can_hold_and_refuses_the_rest_without_showing_it()
    {
        var id = await CreateAsync("LATIN1");
        using var watch = new LeakWatch("secret", "StackEnv.Merge");
        var merger = new StackEnvMerger(_dataSource, logger: watch);

        Assert.Equal("é", (await merger.MergeAsync(id, Changes(("A", "é")))).Env["A"]);
        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("B", "secret 漢字"))));

        watch.Read(failure);
        Assert.Empty(watch.Leaks);
        Assert.Equal(PostgresErrorCodes.UntranslatableCharacter, failure.SqlState);
        Assert.Equal((0, 1), await CountsAsync(merger, id));
    }

    // What the driver makes of it is pinned by NpgsqlAssumptionTests.
    [Fact]
    public async Task A_merge_that_is_refused_while_its_statements_are_prepared_costs_the_next_one_which_says_that_a_repeat_may_help()
    {
        var id = await CreateAsync("LATIN1");
        await using var preparing = Database.DataSourceWith(settings =>
            (settings.Database, settings.SearchPath, settings.MaxPoolSize, settings.MaxAutoPrepare, settings.AutoPrepareMinUsages) =
                (_name, "public", 1, 20, 1));
        var merger = new StackEnvMerger(preparing, journals: [Journal.Silent]);
        await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("A", "漢字"))));

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.True(failure.IsTransient);
        Assert.Equal(
            (1, 1), ((await merger.MergeAsync(id, Changes(("A", "1")))).KeysSet, (await merger.MergeAsync(id, Changes())).TotalAfter));
    }

    [Fact]
    public async Task SQL_ASCII_keeps_the_bytes()
    {
        var id = await CreateAsync("SQL_ASCII");
        var merger = new StackEnvMerger(_dataSource, new() { MaxEnvBytes = 22 });

        Assert.Equal("é 漢字", (await merger.MergeAsync(id, Changes(("A", "é 漢字")))).Env["A"]);
        Assert.Equal(26, (await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(id, Changes(("B", "é"))))).SizeBytes);
        Assert.Equal((0, 1), await CountsAsync(merger, id));
    }

    private async Task<Guid> CreateAsync(string encoding)
    {
        await Database.ExecuteAsync($"CREATE DATABASE {_name} ENCODING {encoding} LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
        _dataSource = Database.DataSourceWith(
            settings => (settings.Database, settings.SearchPath, settings.Pooling) = (_name, "public", false));
        await StacksTable.CreateAsync(_dataSource);
        return await StacksTable.InsertAsync(_dataSource, "shop");
    }

    private static async Task<(int Set, int Total)> CountsAsync(StackEnvMerger merger, Guid id)
    {
        var result = await merger.MergeAsync(id, Changes());
        return (result.KeysSet, result.TotalAfter);
    }
}
