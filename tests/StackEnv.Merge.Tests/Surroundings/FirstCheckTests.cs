using System.Text;
using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>A merger checks its table once, before its first transaction: what that costs, and what it must not break.</summary>
public sealed class FirstCheckTests : SurroundingsTest
{
    // A column's role, in a row of the catalogs' answer.
    private const string Answer = "updated_at";

    // On a table app with a unique index app_slug on (slug), and with a version.
    private static readonly string[] MakeUnsuitable =
    [
        "ALTER TABLE app ALTER env_vars TYPE json",
        "ALTER TABLE app DROP env_vars, ADD env_vars jsonb GENERATED ALWAYS AS ('{}') STORED",
        "ALTER TABLE app ALTER updated_at TYPE timestamp",
        "ALTER TABLE app ALTER version TYPE int",
        "ALTER TABLE app ALTER version SET NOT NULL, ALTER version ADD GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE app ALTER status TYPE boolean USING true",
        "ALTER TABLE app ALTER slug TYPE jsonb USING to_jsonb(slug)",
        "DROP INDEX app_slug",
        "DROP INDEX app_slug; CREATE UNIQUE INDEX ON app (team_id, slug)",
    ];

    [Fact]
    public async Task The_words_of_each_refusal()
    {
        var words = new StringBuilder();
        foreach (var makeUnsuitable in MakeUnsuitable)
        {
            await CreateAppAsync("version bigint", $"CREATE UNIQUE INDEX app_slug ON app (slug); {makeUnsuitable}");
            var refused = await AssertUnsuitableAsync(App(static options => options.VersionColumn = "version"), "shop");
            words.Append(makeUnsuitable).Append('\n').Append(refused.Message).Append("\n\n");
            await Database.ExecuteAsync("DROP TABLE app");
        }

        await Verifier.Verify(words.ToString());
    }

    [Theory]
    [InlineData(40)]
    [InlineData(1)]
    public async Task A_hundred_first_merges_at_once_all_succeed(int poolSize)
    {
        var stacks = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Database.InsertAsync()));
        await using var dataSource = Database.DataSourceWith(settings => settings.MaxPoolSize = poolSize);
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(30) });

        var results = await Task.WhenAll(
            Enumerable.Range(0, 100).Select(number => merger.MergeAsync(stacks[number % 10], Changes(($"K{number}", "1")))))
            .WaitAsync(TimeSpan.FromSeconds(60));

        Assert.All(results, static result => Assert.True(result.Changed));
        Assert.Equal(100, await Database.ScalarAsync<long>("SELECT count(*) FROM stacks, jsonb_object_keys(env_vars)"));
    }

    [Fact]
    public async Task A_hundred_first_merges_at_once_on_an_unsuitable_table_are_all_refused()
    {
        await CreateAppAsync();
        await InsertTwinsAsync();
        var before = await FootprintAsync();
        var merger = App();

        var failures = await Task.WhenAll(
            Enumerable.Range(0, 100).Select(_ => Record.ExceptionAsync(() => merger.MergeAsync("shop", Changes(("A", "1"))))))
            .WaitAsync(TimeSpan.FromSeconds(60));

        Assert.Equal(["unsuitable_table"], failures.Select(
            static failure => (failure as StackEnvMergeException)?.ErrorCode ?? $"{failure}").Distinct());
        Assert.Equal(before, await FootprintAsync());
    }

    [Fact]
    public async Task A_first_check_that_fails_is_repeated()
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource);

        for (var turn = 0; turn < 3; turn++)
        {
            proxy.Arm(WireFault.BeforeClient("indisunique", WireAction.Close));
            var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("A", "1"))));
            Assert.True(failure.IsTransient);
            Assert.True(proxy.HasStruck);
        }

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData("53200", "AllocSetAlloc")]
    [InlineData("42501", null)]
    [InlineData("0A000", null)]
    [InlineData("XX000", null)]
    [InlineData("57014", null)]
    public async Task A_first_check_that_is_answered_with_an_error_that_says_nothing_of_the_table_is_repeated(
        string sqlState, string? routine) =>
        await OnUnsuitableTableAsync(WireMessage.Error(sqlState, routine), static async merge =>
        {
            await MergeFails.WithAsync(MergeFails.StoreError, merge);
            await MergeFails.WithAsync(MergeFails.UnsuitableTable, merge);
        });

    [Theory]
    [InlineData("42501", "aclcheck_error")]
    [InlineData("0A000", "transformStmt")]
    [InlineData("XX000", "cache_lookup")]
    public async Task A_server_without_readable_catalogs_is_asked_only_once(string sqlState, string routine) =>
        await OnUnsuitableTableAsync(WireMessage.Error(sqlState, routine), static async merge =>
        {
            Assert.True((await merge()).Changed);
            Assert.True((await merge()).Changed);
        });

    [Fact]
    public async Task A_first_check_that_a_time_limit_of_the_session_ends_is_repeated_by_the_next_merge() =>
        await OnUnsuitableTableAsync(
            WireMessage.Error(PostgresErrorCodes.QueryCanceled, "ProcessInterrupts"), static async merge =>
            {
                Assert.True((await merge()).Changed);
                await MergeFails.WithAsync(MergeFails.UnsuitableTable, merge);
            });

    [Fact]
    public async Task A_first_check_that_is_cancelled_is_repeated()
    {
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(Database.DataSource);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => merger.MergeAsync(id, Changes(("A", "1")), cancelled.Token));

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_caller_who_cancels_does_not_cancel_the_others()
    {
        var id = await Database.InsertAsync();
        for (var round = 0; round < 20; round++)
        {
            var merger = new StackEnvMerger(Database.DataSource);
            using var cancel = new CancellationTokenSource();
            var first = Record.ExceptionAsync(() => merger.MergeAsync(id, Changes(("A", $"{round}")), cancel.Token));
            var others = Enumerable.Range(0, 5).Select(number => merger.MergeAsync(id, Changes(($"B{number}", $"{round}")))).ToArray();
            await cancel.CancelAsync();

            Assert.All(await Task.WhenAll(others), static result => Assert.True(result.Changed));
            Assert.True(await first is null or OperationCanceledException);
        }
    }

    [Fact]
    public async Task Steady_merges_are_one_round_trip_and_the_first_is_few()
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource);
        await using (var opened = await dataSource.OpenConnectionAsync())
        {
            proxy.Arm(null);
        }

        Assert.InRange(await CountAsync(() => merger.MergeAsync(id, Changes(("A", "1")))), 1, 2);
        Assert.Equal(1, await CountAsync(() => merger.MergeAsync(id, Changes(("A", "2")))));
        Assert.Equal(1, await CountAsync(
            () => Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(Guid.NewGuid(), Changes(("A", "2"))))));
        Assert.Equal(1, await CountAsync(() => merger.MergeAsync(((StackRef)id).OwnedBy(Guid.Empty), Changes(("A", "3"))).ContinueWith(
            static _ => { }, TaskScheduler.Default)));
        Assert.Equal(10, await CountAsync(async () =>
        {
            for (var turn = 0; turn < 10; turn++)
            {
                await merger.MergeAsync(id, Changes(("A", $"turn {turn}")));
            }
        }));

        async Task<int> CountAsync(Func<Task> merge)
        {
            proxy.Arm(null);
            await merge();
            return proxy.RoundTrips;
        }
    }

    [Fact]
    public async Task A_first_merge_into_a_locked_table_is_bounded()
    {
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromSeconds(1));
        await using (await Database.HoldAsync("LOCK TABLE stacks IN ACCESS EXCLUSIVE MODE"))
        {
            var (failure, elapsed) = await TimeAsync(
                () => Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("A", "1")))));
            Assert.True(failure.IsTransient);
            Assert.InRange(elapsed, TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(5));
        }

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData(WireAction.Silence)]
    [InlineData(WireAction.Blackhole)]
    public async Task A_first_check_that_is_not_answered_is_bounded_and_nothing_is_written(WireAction action)
    {
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        var (proxy, dataSource) = WireProxy.InFrontOf(
            Database.ConnectionString, static settings => (settings.MaxPoolSize, settings.CancellationTimeout) = (1, 500));
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(1) });
        proxy.Arm(action == WireAction.Silence ? WireFault.BeforeServer(Answer, action) : WireFault.BeforeClient("indisunique", action));

        var (_, elapsed) = await TimeAsync(() => MergeFails.WithAsync(
            MergeFails.StoreError,
            isTransient: true,
            () => merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(TimeSpan.FromSeconds(60))));

        // The limit is 5 seconds more than LockTimeout, for each read.
        Assert.True(proxy.HasStruck);
        Assert.InRange(elapsed, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(30));
        proxy.Release(deliver: false);
        Assert.Equal(before, await Database.FootprintAsync(id));
        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_table_that_is_created_later_is_found()
    {
        var merger = App();
        var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync("shop", Changes(("A", "1"))));
        Assert.Contains("CREATE TABLE \"app\"", failure.Message, StringComparison.Ordinal);

        await Database.ExecuteAsync(failure.Message[failure.Message.IndexOf("CREATE TABLE", StringComparison.Ordinal)..]);
        await Database.ExecuteAsync("INSERT INTO app (slug, env_vars) VALUES ('shop', '{}')");

        Assert.True((await merger.MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData(
        "ALTER TABLE stacks ALTER env_vars DROP DEFAULT, ALTER env_vars TYPE text",
        "\"env_vars\" must be of type jsonb: ALTER TABLE \"stacks\" ALTER COLUMN \"env_vars\" TYPE jsonb USING \"env_vars\"::jsonb;")]
    [InlineData("ALTER TABLE stacks ALTER env_vars DROP DEFAULT, ALTER env_vars TYPE json USING env_vars::text::json", "jsonb")]
    [InlineData("ALTER TABLE stacks ALTER updated_at DROP DEFAULT, ALTER updated_at TYPE bigint USING 0", "updated_at")]
    [InlineData("ALTER TABLE stacks RENAME status TO state", "StatusColumn")]
    [InlineData("ALTER TABLE stacks DROP COLUMN updated_at", "UpdatedAtColumn")]
    [InlineData("ALTER TABLE stacks RENAME TO apps", "CREATE TABLE")]
    [InlineData("ALTER TABLE stacks ALTER id DROP DEFAULT, ALTER id TYPE text", "StackRef")]
    public async Task A_table_that_is_altered_later_still_gets_advice(string alter, string advice)
    {
        var id = await Database.InsertAsync();
        await Database.Merger.MergeAsync(id, Changes(("A", "1")));

        await Database.ExecuteAsync(alter);
        var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => Database.Merger.MergeAsync(id, Changes(("A", "2"))));

        Assert.False(failure.IsTransient);
        Assert.Contains(advice, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("RENAME status TO state", "RENAME state TO status", "DROP CONSTRAINT stacks_pkey")]
    [InlineData("RENAME status TO state", "RENAME state TO status", "ALTER updated_at TYPE timestamp")]
    [InlineData("DROP updated_at", "ADD updated_at timestamptz", "DROP CONSTRAINT stacks_pkey")]
    [InlineData("ALTER env_vars DROP DEFAULT, ALTER env_vars TYPE text", "ALTER env_vars TYPE jsonb USING env_vars::jsonb",
        "ALTER updated_at TYPE timestamp")]
    public async Task After_an_error_about_a_name_or_a_type_the_next_merge_checks_the_table_again(
        string breaks, string restores, string makesUnsuitable)
    {
        var id = await Database.InsertAsync();
        await Database.Merger.MergeAsync(id, Changes(("A", "1")));
        await AlterAsync(breaks);
        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "2"))));
        Assert.StartsWith("42", failure.SqlState, StringComparison.Ordinal);

        // A merger that does not look again would write: no statement of a merge fails in such a table.
        await AlterAsync(restores);
        await AlterAsync(makesUnsuitable);
        var before = await Database.FootprintAsync(id);

        await MergeFails.WithAsync(MergeFails.UnsuitableTable, () => Database.Merger.MergeAsync(id, Changes(("A", "3"))));
        Assert.Equal(before, await Database.FootprintAsync(id));

        Task AlterAsync(string alter) => Database.ExecuteAsync($"ALTER TABLE stacks {alter}");
    }

    [Fact]
    public async Task After_an_error_about_what_is_stored_the_next_merge_does_not_check_the_table_again()
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("ALTER TABLE stacks ADD CHECK (env_vars ->> 'A' <> 'refused')");
        await using var lane = await ProxiedAsync(id);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => lane.Merger.MergeAsync(id, Changes(("A", "refused"))));
        Assert.Equal(PostgresErrorCodes.CheckViolation, failure.SqlState);
        lane.Proxy.Arm(null);
        await lane.Merger.MergeAsync(id, Changes(("A", "2")));

        Assert.Equal(1, lane.Proxy.RoundTrips);
    }

    [Fact]
    public async Task A_temporary_table_that_hides_the_table_is_the_one_that_is_checked()
    {
        await CreateAppAsync("PRIMARY KEY (slug)");
        await InsertAppAsync();
        await using var one = Database.DataSourceWith(static settings => (settings.MaxPoolSize, settings.NoResetOnClose) = (1, true));
        await using (var shadow = one.CreateCommand(
            $"CREATE TEMP TABLE app ({Columns}); INSERT INTO app VALUES (gen_random_uuid(), NULL, 'shop', 'healthy', '{{}}'), " +
            $"(gen_random_uuid(), NULL, 'shop', 'healthy', '{{}}')"))
        {
            await shadow.ExecuteNonQueryAsync();
        }

        var failure = await Record.ExceptionAsync(() => App(dataSource: one).MergeAsync("shop", Changes(("A", "1"))));

        Assert.Equal("unsuitable_table", (failure as StackEnvMergeException)?.ErrorCode);
        await using var written = one.CreateCommand("SELECT count(*) FROM app WHERE env_vars <> '{}'");
        Assert.Equal(0L, await written.ExecuteScalarAsync());
    }

    [Fact]
    public async Task The_search_path_decides_which_table_is_looked_at()
    {
        var other = Database.Schema + "_b";
        await Database.ExecuteAsync(
            $"CREATE SCHEMA {other}; CREATE TABLE {other}.app ({Columns}); CREATE TABLE app ({Columns}, PRIMARY KEY (slug)); INSERT INTO " +
            $"app VALUES (gen_random_uuid(), NULL, 'shop', 'healthy', '{{}}')");
        try
        {
            await using var otherFirst = Database.DataSourceWith(settings => settings.SearchPath = $"{other},{Database.Schema}");
            await using var otherLast = Database.DataSourceWith(settings => settings.SearchPath = $"nowhere,{Database.Schema},{other}");

            Assert.Equal(
                "unsuitable_table", (await Record.ExceptionAsync(() => Merge(otherFirst, null)) as StackEnvMergeException)?.ErrorCode);
            Assert.Null(await Record.ExceptionAsync(() => Merge(otherLast, null)));
            Assert.Null(await Record.ExceptionAsync(() => Merge(otherFirst, Database.Schema)));
            Assert.Equal(
                "unsuitable_table", (await Record.ExceptionAsync(() => Merge(otherLast, other)) as StackEnvMergeException)?.ErrorCode);
        }
        finally
        {
            await Database.ExecuteAsync($"DROP SCHEMA {other} CASCADE");
        }

        Task<MergeResult> Merge(NpgsqlDataSource dataSource, string? schema) =>
            new StackEnvMerger(dataSource, new() { Schema = schema, Table = "app", KeyColumn = "slug" }).MergeAsync(
                "shop", Changes(("A", $"{Guid.NewGuid()}")));
    }

    [Theory]
    [InlineData("We\"ird.T able")]
    [InlineData("🚀 stacks")]
    [InlineData("public.stacks")]
    [InlineData("a_name_that_is_longer_than_the_sixty_three_bytes_that_postgresql_keeps_of_it")]
    [InlineData("123")]
    [InlineData("-")]
    [InlineData("SELECT")]
    [InlineData("C:\\stacks'; DROP TABLE stacks; --")]
    public async Task A_table_and_a_key_of_any_name_are_checked(string name)
    {
        var quoted = $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        await Database.ExecuteAsync(
            $"CREATE TABLE {quoted} ({quoted} text CONSTRAINT only_key PRIMARY KEY, status text, env_vars jsonb, updated_at timestamptz)");
        await Database.ExecuteAsync($"INSERT INTO {quoted} VALUES ('shop', 'healthy', '{{}}')");
        var merger = Database.MergerWith(options => (options.Table, options.KeyColumn) = (name, name));

        Assert.True((await merger.MergeAsync("shop", Changes(("A", "1")))).Changed);

        await Database.ExecuteAsync($"ALTER TABLE {quoted} DROP CONSTRAINT only_key");
        var fresh = Database.MergerWith(options => (options.Table, options.KeyColumn) = (name, name));
        var failure = await Record.ExceptionAsync(() => fresh.MergeAsync("shop", Changes(("A", "2"))));
        Assert.Equal("unsuitable_table", (failure as StackEnvMergeException)?.ErrorCode);
    }

    /// <summary>Merges into a table without a key, after its first check was answered with this.</summary>
    private async Task OnUnsuitableTableAsync(WireMessage answer, Func<Func<Task<MergeResult>>, Task> assert)
    {
        var id = await Database.InsertAsync();
        await Database.ExecuteAsync("ALTER TABLE stacks DROP CONSTRAINT stacks_pkey");
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource);
        var turn = 0;
        proxy.SayInsteadOfAndStayOpen(Answer, answer);

        await assert(() => merger.MergeAsync(id, Changes(("A", $"{turn++}"))));

        Assert.True(proxy.HasStruck);
    }
}
