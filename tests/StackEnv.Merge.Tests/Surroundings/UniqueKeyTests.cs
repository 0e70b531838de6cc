using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>A merge relies on a unique key. A table whose key is not unique is refused before anything is written.</summary>
public sealed class UniqueKeyTests : SurroundingsTest
{
    public static TheoryData<string, string> NotUnique => new()
    {
        { "no index", "SELECT" },
        { "an index that is not unique", "CREATE INDEX ON app (slug)" },
        { "unique for each owner only", "ALTER TABLE app ADD UNIQUE (team_id, slug)" },
        { "unique for each owner only, key first", "CREATE UNIQUE INDEX ON app (slug, team_id)" },
        { "unique with another column", "CREATE UNIQUE INDEX ON app (slug, id)" },
        { "unique in three columns", "CREATE UNIQUE INDEX ON app (slug, team_id, status)" },
        { "another column is unique", "ALTER TABLE app ADD PRIMARY KEY (id)" },
        { "the key is only included", "CREATE UNIQUE INDEX ON app (id) INCLUDE (slug)" },
        { "unique among some rows only", "CREATE UNIQUE INDEX ON app (slug) WHERE status = 'stopped'" },
        { "unique among live rows only", "CREATE UNIQUE INDEX ON app (slug) WHERE status <> 'healthy'" },
        { "an expression is unique", "CREATE UNIQUE INDEX ON app ((slug || team_id::text))" },
        { "an expression beside the key", "CREATE UNIQUE INDEX ON app (slug, (team_id::text))" },
        { "excluded only together with the owner", "ALTER TABLE app ADD EXCLUDE USING btree (slug WITH =, team_id WITH =)" },
    };

    public static TheoryData<string, string> NotUniqueWithTheOwner => new()
    {
        { "no index", "SELECT" },
        { "unique in three columns", "ALTER TABLE app ADD UNIQUE (team_id, slug, status)" },
        { "unique among some rows only", "CREATE UNIQUE INDEX ON app (team_id, slug) WHERE status = 'stopped'" },
        { "unique with another column", "CREATE UNIQUE INDEX ON app (slug, id)" },
        { "an expression is unique", "CREATE UNIQUE INDEX ON app (team_id, (slug || id::text))" },
    };

    public static TheoryData<string, string> Unique => new()
    {
        { "primary key", "ALTER TABLE app ADD PRIMARY KEY (slug)" },
        { "constraint", "ALTER TABLE app ADD UNIQUE (slug)" },
        { "index", "CREATE UNIQUE INDEX ON app (slug DESC NULLS LAST)" },
        {
            "one of two indexes",
            "CREATE INDEX ON app (slug); CREATE UNIQUE INDEX ON app (team_id, slug); CREATE UNIQUE INDEX ON app (slug)"
        },
        { "with included columns", "CREATE UNIQUE INDEX ON app (slug) INCLUDE (team_id, status)" },
        { "deferrable", "ALTER TABLE app ADD UNIQUE (slug) DEFERRABLE INITIALLY DEFERRED" },
        { "for pattern searches", "CREATE UNIQUE INDEX ON app (slug text_pattern_ops)" },
        {
            "one null at most",
            "DO $$ BEGIN EXECUTE 'CREATE UNIQUE INDEX ON app (slug)' || CASE WHEN current_setting('server_version_num')::int >= 150000 " +
            "THEN ' NULLS NOT DISTINCT' ELSE '' END; END $$"
        },
        { "a primary key beside a unique owner", "ALTER TABLE app ADD PRIMARY KEY (slug), ADD UNIQUE (team_id)" },
    };

    public static TheoryData<string, string> UniqueWithTheOwner => new()
    {
        { "owner first", "ALTER TABLE app ADD UNIQUE (team_id, slug)" },
        { "key first", "CREATE UNIQUE INDEX ON app (slug, team_id)" },
        { "primary key", "ALTER TABLE app ADD PRIMARY KEY (team_id, slug)" },
        { "included columns", "CREATE UNIQUE INDEX ON app (team_id, slug) INCLUDE (status)" },
        { "deferrable", "ALTER TABLE app ADD UNIQUE (team_id, slug) DEFERRABLE" },
        { "the key alone", "ALTER TABLE app ADD UNIQUE (slug)" },
        { "one stack for each owner", "ALTER TABLE app ADD UNIQUE (team_id)" },
    };

    [Theory]
    [MemberData(nameof(NotUnique))]
    public async Task A_key_that_is_not_unique_is_refused_and_nothing_is_written(string what, string ddl)
    {
        await CreateAppAsync(ddl: ddl);
        await InsertTwinsAsync();
        var merger = App();

        // The second merge finds a merger that knows the table.
        for (var turn = 0; turn < 2; turn++)
        {
            var failure = await AssertUnsuitableAsync(merger, "shop", "unique", "slug", "app");
            Assert.True(failure.Stack == "shop", what);
        }

        // A key that no row has, and one that a single row has.
        await AssertUnsuitableAsync(merger, "missing");
        await InsertAppAsync("alone");
        await AssertUnsuitableAsync(merger, "alone");
    }

    [Theory]
    [MemberData(nameof(NotUniqueWithTheOwner))]
    public async Task A_key_that_is_not_unique_for_its_owner_is_refused(string what, string ddl)
    {
        await CreateAppAsync(ddl: ddl);
        await InsertTwinsAsync();
        await Database.ExecuteAsync("UPDATE app SET team_id = $1, status = id::text", TeamA);

        var failure = await AssertUnsuitableAsync(App(), OwnShop, "unique", "slug", "team_id");
        await AssertUnsuitableAsync(App(static options => options.RequireOwner = true), OwnShop, "unique", "slug", "team_id");
        Assert.True(failure.Stack == OwnShop, what);
    }

    [Fact]
    public async Task A_partitioned_table_is_judged_by_the_index_that_covers_all_its_partitions()
    {
        await Database.ExecuteAsync(
            $"CREATE TABLE app ({Columns}) PARTITION BY HASH (team_id); CREATE UNIQUE INDEX ON app (team_id, slug); " +
            "CREATE TABLE app_0 PARTITION OF app FOR VALUES WITH (MODULUS 2, REMAINDER 0); " +
            "CREATE TABLE app_1 PARTITION OF app FOR VALUES WITH (MODULUS 2, REMAINDER 1)");
        await InsertTwinsAsync();

        await AssertUnsuitableAsync(App(), "shop", "unique only together with", "team_id");
        Assert.True((await App().MergeAsync(OwnShop, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task Rows_without_an_owner_are_not_unique_for_a_merge_that_names_none()
    {
        await CreateAppAsync("UNIQUE (team_id, slug)");
        await InsertTwinsAsync();
        await Database.ExecuteAsync("UPDATE app SET team_id = NULL");

        await AssertUnsuitableAsync(App(), "shop", "unique");
    }

    [Fact]
    public async Task An_index_whose_build_failed_makes_nothing_unique()
    {
        await CreateAppAsync();
        await InsertTwinsAsync();
        var broken = await Assert.ThrowsAsync<PostgresException>(
            () => Database.ExecuteAsync("CREATE UNIQUE INDEX CONCURRENTLY app_slug ON app (slug)"));
        Assert.Equal(PostgresErrorCodes.UniqueViolation, broken.SqlState);
        Assert.Equal(
            1, await Database.ScalarAsync<long>("SELECT count(*) FROM pg_index WHERE indrelid = 'app'::regclass AND NOT indisvalid"));

        await AssertUnsuitableAsync(App(), "shop", "unique", "slug");
    }

    [Fact]
    public async Task An_index_that_compares_more_strictly_than_the_column_makes_nothing_unique()
    {
        await Database.ExecuteAsync("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
        await Database.ExecuteAsync(
            $"CREATE TABLE app ({Columns.Replace("slug text", "slug text COLLATE loose", StringComparison.Ordinal)})");
        await Database.ExecuteAsync("CREATE UNIQUE INDEX ON app (slug COLLATE \"C\")");
        await Database.ExecuteAsync(
            "INSERT INTO app VALUES (gen_random_uuid(), $1, 'shop', 'healthy', '{}'), (gen_random_uuid(), $2, 'SHOP', 'healthy', '{}')",
            TeamA,
            TeamB);

        await AssertUnsuitableAsync(App(), "shop", "unique", "slug");

        await Database.ExecuteAsync("DELETE FROM app WHERE team_id = $1", TeamB);
        await Database.ExecuteAsync("CREATE UNIQUE INDEX ON app (slug)");
        Assert.True((await App().MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    [Theory]
    [MemberData(nameof(Unique))]
    public async Task A_key_that_is_unique_is_merged_into(string what, string ddl)
    {
        await CreateAppAsync(ddl: ddl);
        await Database.ExecuteAsync(
            "INSERT INTO app VALUES (gen_random_uuid(), $1, 'shop', 'healthy', '{}'), (gen_random_uuid(), $2, 'other', 'healthy', '{}')",
            TeamA,
            TeamB);

        Assert.True((await App().MergeAsync("shop", Changes(("A", "1")))).Changed, what);
        Assert.True((await App().MergeAsync(OwnShop, Changes(("A", "2")))).Changed, what);
        await Assert.ThrowsAsync<StackNotFoundException>(() => App().MergeAsync(((StackRef)"shop").OwnedBy(TeamB), Changes(("A", "3"))));
        Assert.Equal(
            "shop: {\"A\": \"2\"} other: {}",
            await Database.ScalarAsync<string>("SELECT string_agg(slug || ': ' || env_vars, ' ' ORDER BY team_id) FROM app"));
    }

    [Theory]
    [MemberData(nameof(UniqueWithTheOwner))]
    public async Task A_key_that_is_unique_for_its_owner_is_merged_into_where_the_merge_names_the_owner(string what, string ddl)
    {
        await CreateAppAsync(ddl: ddl);
        await InsertAppAsync();

        Assert.True((await App().MergeAsync(OwnShop, Changes(("A", "1")))).Changed, what);
        Assert.True((await App(static options => options.RequireOwner = true).MergeAsync(OwnShop, Changes(("A", "2")))).Changed, what);
    }

    [Fact]
    public async Task One_merger_judges_each_merge_by_whether_it_names_an_owner()
    {
        await CreateAppAsync("UNIQUE (team_id, slug)");
        await InsertTwinsAsync();
        var merger = App();

        Assert.True((await merger.MergeAsync(OwnShop, Changes(("A", "1")))).Changed);
        await AssertUnsuitableAsync(merger, "shop", "unique", "OwnedBy");
        Assert.True((await merger.MergeAsync(OwnShop, Changes(("A", "2")))).Changed);
        await AssertUnsuitableAsync(merger, "shop");
        Assert.Equal(
            """{"A": "0"}""", await Database.ScalarAsync<string>("SELECT (env_vars - 'TOKEN')::text FROM app WHERE team_id = $1", TeamB));
    }

    [Fact]
    public async Task The_statement_given_makes_the_same_merger_work()
    {
        await CreateAppAsync();
        await InsertAppAsync();
        var merger = App();

        var failure = await AssertUnsuitableAsync(merger, "shop", "CREATE UNIQUE INDEX");
        await Database.ExecuteAsync(failure.Message[failure.Message.IndexOf("CREATE UNIQUE INDEX", StringComparison.Ordinal)..]);

        Assert.True((await merger.MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task The_metric_and_the_log_say_why()
    {
        await CreateAppAsync();
        using var watch = new LeakWatch("unsuitable_table", "StackEnv.Merge");
        var merger = App(logger: watch);

        await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync("shop", Changes(("A", "1"))));

        Assert.Contains(watch.Leaks, static text => text.StartsWith("metric stackenv.merge.duration", StringComparison.Ordinal));
        Assert.Contains(watch.Leaks, static text => text.StartsWith("span ", StringComparison.Ordinal));
    }
}
