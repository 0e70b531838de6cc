using System.Globalization;
using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>The table check needs no more than the merge itself: what cannot be seen is not refused.</summary>
public sealed class PrivilegeTests : SurroundingsTest
{
    [Theory]
    [InlineData("GRANT SELECT (slug, status, env_vars), UPDATE (env_vars, updated_at) ON app TO {0}")]
    [InlineData("GRANT SELECT, UPDATE ON app TO {0}")]
    [InlineData("GRANT SELECT, UPDATE ON app TO {0}; REVOKE ALL ON SCHEMA public FROM {0}")]
    public async Task A_role_that_may_only_merge_can_merge(string grants)
    {
        await CreateAppAsync("PRIMARY KEY (slug)");
        await InsertAppAsync();
        await using var role = await TestRole.CreateAsync(Database);
        await Database.ExecuteAsync(string.Format(CultureInfo.InvariantCulture, grants, role.Name));

        Assert.True((await App(dataSource: role.DataSource).MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData("SELECT (slug, status, env_vars, version), UPDATE (env_vars, updated_at, version)", true)]
    [InlineData("SELECT (slug, status, env_vars), UPDATE (env_vars, updated_at, version)", false)]
    [InlineData("SELECT (slug, status, env_vars, version), UPDATE (env_vars, updated_at)", false)]
    public async Task A_merge_with_a_version_needs_to_read_it_and_to_write_it(string grants, bool isEnough)
    {
        await CreateAppAsync("PRIMARY KEY (slug), version bigint");
        await InsertAppAsync();
        await using var role = await TestRole.CreateAsync(Database);
        await Database.ExecuteAsync($"GRANT {grants} ON app TO {role.Name}");
        var merger = App(static options => options.VersionColumn = "version", role.DataSource);
        var before = await FootprintAsync();

        if (isEnough)
        {
            Assert.Equal(1, (await merger.MergeAsync("shop", Changes(("A", "1")))).Version);
            return;
        }

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync("shop", Changes(("A", "1"))));
        Assert.Equal((PostgresErrorCodes.InsufficientPrivilege, false), (failure.SqlState, failure.IsTransient));
        Assert.Contains("permission denied for table app", failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, await FootprintAsync());
    }

    [Fact]
    public async Task A_role_that_may_only_merge_is_refused_too_where_the_key_is_not_unique()
    {
        await CreateAppAsync();
        await InsertTwinsAsync();
        await using var role = await TestRole.CreateAsync(Database);
        await Database.ExecuteAsync($"GRANT SELECT (slug, status, env_vars), UPDATE (env_vars, updated_at) ON app TO {role.Name}");

        await AssertUnsuitableAsync(App(dataSource: role.DataSource), "shop", "unique");
    }

    [Fact]
    public async Task A_policy_that_shows_one_of_two_rows_does_not_make_the_key_unique()
    {
        await Database.ExecuteAsync(
            $"CREATE TABLE app ({Columns}); ALTER TABLE app ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON app USING (team_id = " +
            $"'{TeamA}')");
        await InsertTwinsAsync();
        await using var role = await TestRole.CreateAsync(Database);
        await Database.ExecuteAsync($"GRANT SELECT, UPDATE ON app TO {role.Name}");

        await AssertUnsuitableAsync(App(dataSource: role.DataSource), "shop", "unique");
    }

    [Theory]
    [InlineData("pg_catalog.pg_class")]
    [InlineData("pg_catalog.pg_index, pg_catalog.pg_attribute, pg_catalog.pg_type")]
    [InlineData("pg_catalog.pg_depend, pg_catalog.pg_trigger, pg_catalog.pg_constraint, pg_catalog.pg_collation")]
    public async Task A_catalog_that_may_not_be_read_refuses_nothing(string catalogs) =>
        await WithoutAsync(catalogs, async settings =>
        {
            // The driver reads pg_type itself when it first connects, unless it is told not to.
            var builder = new NpgsqlDataSourceBuilder(settings.ConnectionString);
            builder.ConfigureTypeLoading(static loading => loading.EnableTypeLoading(false));
            await using var dataSource = builder.Build();
            var merger = App(dataSource: dataSource);

            Assert.True((await merger.MergeAsync("shop", Changes(("A", "1")))).Changed);

            // As the insertion of a child does, which must not make a merge wait.
            await using var child = await dataSource.OpenConnectionAsync();
            await using var inserting = await child.BeginTransactionAsync();
            await using var holds = new NpgsqlCommand("SELECT FROM app FOR KEY SHARE", child);
            await holds.ExecuteNonQueryAsync();
            Assert.True((await merger.MergeAsync("shop", Changes(("A", "2")))).Changed);
        });

    [Fact]
    public async Task Without_the_catalogs_a_second_row_of_the_owner_is_noticed_before_the_commit() =>
        await WithoutAsync("pg_catalog.pg_trigger", async settings =>
        {
            await using var owner = Database.DataSourceWith(
                all => (all.Database, all.SearchPath, all.Pooling) = (settings.Database, "public", false));
            await RunAsync(
                owner,
                $"ALTER TABLE app DROP CONSTRAINT app_pkey; UPDATE app SET team_id = '{TeamA}'; INSERT INTO app SELECT * FROM app; " +
                $"GRANT SELECT (team_id) ON app TO {settings.Username}");
            await using var dataSource = NpgsqlDataSource.Create(settings);

            var failure = await Assert.ThrowsAsync<UnsuitableTableException>(
                () => App(dataSource: dataSource).MergeAsync(OwnShop, Changes(("A", "1"))));

            Assert.False(failure.IsCommitted);
            await using var untouched = owner.CreateCommand("SELECT count(*) FROM app WHERE env_vars = '{}'");
            Assert.Equal(2L, await untouched.ExecuteScalarAsync());
        });

    [Theory]
    [InlineData("pg_catalog.pg_trigger", "error", true)]
    [InlineData("pg_catalog.pg_trigger", "notice", true)]
    [InlineData(null, "error", true)]
    [InlineData(null, "notice", false)]
    public async Task Warnings_of_COMMIT_are_let_through_unless_the_session_is_known_to_show_them(
        string? unreadable, string clientMinMessages, bool letsThrough) => await WithoutAsync(unreadable, async settings =>
        {
            var (proxy, dataSource) = WireProxy.InFrontOf(
                settings.ConnectionString, options => options.Options = $"-c client_min_messages={clientMinMessages}");
            await using var disposeProxy = proxy;
            await using var disposeDataSource = dataSource;
            var merger = App(dataSource: dataSource);

            for (var turn = 0; turn < 2; turn++)
            {
                proxy.Arm(WireFault.BeforeClient("SET LOCAL client_min_messages = warning", WireAction.Pass));
                Assert.True((await merger.MergeAsync("shop", Changes(("A", $"{turn}")))).Changed);
                Assert.Equal(letsThrough, proxy.HasStruck);
            }
        });

    // A database of its own, because the catalogs of one are the same for all of its schemas.
    private async Task WithoutAsync(string? unreadable, Func<NpgsqlConnectionStringBuilder, Task> merge)
    {
        var name = $"hardened_{Guid.NewGuid():N}";
        await using var role = await TestRole.CreateAsync(Database);
        await Database.ExecuteAsync($"CREATE DATABASE {name}");
        try
        {
            await using var owner = Database.DataSourceWith(
                settings => (settings.Database, settings.SearchPath, settings.Pooling) = (name, "public", false));
            await RunAsync(
                owner,
                $"CREATE TABLE app ({Columns}, PRIMARY KEY (slug)); INSERT INTO app VALUES (gen_random_uuid(), NULL, 'shop', " +
                "'healthy', '{}')");
            await RunAsync(owner, $"GRANT SELECT (slug, status, env_vars), UPDATE (env_vars, updated_at) ON app TO {role.Name}");
            if (unreadable is not null)
            {
                await RunAsync(owner, $"REVOKE SELECT ON {unreadable} FROM PUBLIC");
            }

            await merge(new(role.DataSource.ConnectionString)
            {
                Password = role.Password,
                Database = name,
                SearchPath = "public",
                Pooling = false,
            });
        }
        finally
        {
            await Database.ExecuteAsync($"DROP DATABASE {name} WITH (FORCE)");
        }
    }

    private static async Task RunAsync(NpgsqlDataSource dataSource, string sql)
    {
#pragma warning disable CA2100 // The SQL is this test's own.
        await using var command = dataSource.CreateCommand(sql);
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }
}
