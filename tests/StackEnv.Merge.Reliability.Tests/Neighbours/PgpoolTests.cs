using System.Diagnostics;
using Npgsql;
using static StackEnv.Merge.Reliability.Tests.Neighbours.PoolerChecks;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>Merges through pgpool-II, which balances queries over a primary and its standby and sends all others to the primary.</summary>
public sealed class PgpoolTests(ITestOutputHelper output, PgpoolServers servers) : IClassFixture<PgpoolServers>, IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await servers.CreateDatabaseAsync();

    public async Task DisposeAsync() => await _database.DisposeAsync();

    [Fact]
    public async Task Merges_of_many_clients_reach_the_primary_and_no_key_and_no_count_is_lost()
    {
        const int Clients = 24;
        const int MergesOfEach = 10;
        await using var pooler = await StartAsync();
        await using var dataSource = pooler.DataSource();
        await Journal.CreateAuditAsync(_database);
        var id = await _database.InsertAsync("""{"OLD": "1"}""");
        await ReplicatedAsync();
        var merger = Merger(dataSource);
        var journaling = Merger(dataSource, journals: Journal.Audit);

        var deleted = await Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            var count = 0;
            for (var merge = 0; merge < MergesOfEach; merge++)
            {
                var result = await (merge % 2 == 0 ? merger : journaling).MergeAsync(
                    id, Changes(($"K_{client}_{merge}", "v"), ("OLD", "")));
                Assert.Equal(1, result.KeysSet);
                count += result.KeysDeleted;
            }

            return count;
        }));

        Assert.Equal(1, deleted.Sum());
        Assert.Equal(Clients * MergesOfEach, await _database.ScalarAsync<long>("SELECT count(*) FROM stacks, jsonb_object_keys(env_vars)"));
        Assert.Equal(
            $"{Clients * MergesOfEach / 2} {Clients * MergesOfEach / 2}",
            await _database.ScalarAsync<string>("SELECT concat_ws(' ', count(*), count(DISTINCT total_after)) FROM audit"));
    }

    /// <summary>SET LOCAL has to reach the session that waits. If it went to the standby, the wait would have no end.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_limit_of_the_wait_holds_on_the_primary_and_nothing_is_left_behind(bool withJournal)
    {
        await using var pooler = await StartAsync();
        await using var dataSource = pooler.DataSource(static settings => settings.MaxPoolSize = 1);
        var id = await _database.InsertAsync();
        await ReplicatedAsync();
        var merger = Merger(dataSource, TimeSpan.FromMilliseconds(300), withJournal ? [Journal.Silent] : []);
        await merger.MergeAsync(id, Changes(("WARM", "1")));

        for (var turn = 0; turn < 3; turn++)
        {
            await using (await _database.LockAsync(id))
            {
                var started = Stopwatch.GetTimestamp();
                await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("A", "1"))));
                Assert.InRange(Stopwatch.GetElapsedTime(started).TotalSeconds, 0.25, 5);
            }

            Assert.Equal("""{"WARM": "1"}""", await _database.EnvAsync(id));
        }

        await using (var connection = await dataSource.OpenConnectionAsync())
        {
            await using var show = new NpgsqlCommand(
                "SELECT current_setting('lock_timeout') || current_setting('statement_timeout')", connection);
            Assert.Equal("00", await show.ExecuteScalarAsync());
        }

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    /// <summary>
    /// Reads of the table go to the standby. If what a merge reads went there too, it would see old sets and old columns.
    /// </summary>
    [Fact]
    public async Task A_standby_that_lags_behind_plays_no_part()
    {
        await using var pooler = await StartAsync();
        await using var dataSource = pooler.DataSource();
        var id = await _database.InsertAsync();
        await _database.ExecuteAsync("ALTER TABLE stacks DROP CONSTRAINT stacks_pkey");
        await ReplicatedAsync();
        await using var count = dataSource.CreateCommand("SELECT count(*) FROM stacks WHERE env_vars <> '{}'");
        await MergeFails.WithAsync(MergeFails.UnsuitableTable, () => Merger(dataSource).MergeAsync(id, Changes(("A", "1"))));
        await servers.StandbyServer.ExecuteAsync("SELECT pg_wal_replay_pause()");
        try
        {
            await _database.ExecuteAsync("ALTER TABLE stacks ADD PRIMARY KEY (id)");

            Assert.Equal(1, (await Merger(dataSource).MergeAsync(id, Changes(("A", "1")))).TotalAfter);
            Assert.Equal(2, (await Merger(dataSource).MergeAsync(id, Changes(("B", "1")))).TotalAfter);
            Assert.Equal(
                3, (await Merger(dataSource, journals: Journal.Silent).MergeAsync(id, Changes(("C", "1")))).TotalAfter);

            Assert.Equal(0L, await count.ExecuteScalarAsync());
            Assert.Equal("""{"A": "1", "B": "1", "C": "1"}""", await _database.EnvAsync(id));
        }
        finally
        {
            await servers.StandbyServer.ExecuteAsync("SELECT pg_wal_replay_resume()");
        }

        await ReplicatedAsync();
        Assert.Equal(1L, await count.ExecuteScalarAsync());
    }

    [Theory]
    [InlineData("deleting", "stack_deleting", false)]
    [InlineData("deleting", "stack_deleting", true)]
    [InlineData("gone", "not_found", false)]
    [InlineData("gone", "not_found", true)]
    [InlineData("large", "env_too_large", false)]
    [InlineData("large", "env_too_large", true)]
    public async Task A_refused_merge_leaves_a_usable_session(string what, string errorCode, bool prepared)
    {
        await using var pooler = await StartAsync();
        await using var dataSource = pooler.DataSource(
            settings => (settings.MaxPoolSize, settings.MaxAutoPrepare, settings.AutoPrepareMinUsages) = (1, prepared ? 50 : 0, 2));
        var id = await _database.InsertAsync();
        var refused = what is "deleting" ? await _database.InsertAsync(status: "deleting") : what is "gone" ? Guid.NewGuid() : id;
        await ReplicatedAsync();
        var merger = Merger(dataSource);

        for (var turn = 0; turn < 6; turn++)
        {
            await MergeFails.WithAsync(
                errorCode, () => merger.MergeAsync(refused, Changes(("A", what is "large" ? new string('x', 70_000) : "1"))));
            Assert.True((await merger.MergeAsync(id, Changes(("TURN", $"{turn}")))).Changed);
        }

        Assert.Equal("""{"TURN": "5"}""", await _database.EnvAsync(id));
    }

    [Theory]
    [InlineData("23514", "ALTER TABLE stacks ADD CHECK (env_vars ->> 'A' IS NULL)")]
    [InlineData("42703", "ALTER TABLE stacks RENAME COLUMN updated_at TO changed_at")]
    public async Task What_the_server_refuses_is_reported_as_without_pgpool(string sqlState, string change)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync();
        await using var dataSource = pooler.DataSource(static settings => settings.MaxPoolSize = 1);
        var id = await _database.InsertAsync();
        await _database.ExecuteAsync(change);
        await ReplicatedAsync();

        for (var turn = 0; turn < 3; turn++)
        {
            var failure = await MergeFails.WithAsync(
                MergeFails.StoreError, isTransient: false, () => Merger(dataSource).MergeAsync(id, Changes(("A", "1"))));
            Assert.Equal(sqlState, Assert.IsType<StackEnvStoreException>(failure).SqlState);
        }

        Assert.Equal("{}", await _database.EnvAsync(id));
    }

    [Fact]
    public async Task A_cancelled_wait_leaves_and_nothing_is_written()
    {
        await using var pooler = await StartAsync();
        await using var dataSource = pooler.DataSource();
        var id = await _database.InsertAsync();
        await ReplicatedAsync();
        var merger = Merger(dataSource, TimeSpan.FromSeconds(30));
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        var holder = await _database.LockAsync(id);
        using var cancel = new CancellationTokenSource();
        var merging = merger.MergeAsync(id, Changes(("A", "2")), cancel.Token);
        await _database.WaitersAsync(1);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => merging.WaitAsync(Patience));
        await holder.DisposeAsync();
        Assert.Equal("""{"WARM": "1"}""", await StoredAtLastAsync(_database, id));
        Assert.True((await merger.MergeAsync(id, Changes(("A", "3")))).Changed);
    }

    // The connection by which the start of pgpool was noticed can still be the one client that it takes.
    private static async Task<NpgsqlConnection> OpenAtLastAsync(NpgsqlDataSource dataSource)
    {
        for (var deadline = DateTime.UtcNow + Patience; ; await Task.Delay(20))
        {
            try
            {
                return await dataSource.OpenConnectionAsync();
            }
            catch (NpgsqlException) when (DateTime.UtcNow < deadline)
            {
                // It is full.
            }
        }
    }

    /// <summary>pgpool says it at once, even to a client that has only asked for encryption so far.</summary>
    [Theory]
    [InlineData(SslMode.Disable)]
    [InlineData(SslMode.Prefer)]
    public async Task A_client_too_many_is_transient(SslMode encryption)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync("num_init_children = 3\nreserved_connections = 2");
        await using var taken = pooler.DataSource();
        var connection = await OpenAtLastAsync(taken);
        await using var dataSource = pooler.DataSource(
            settings => (settings.SslMode, settings.GssEncryptionMode) = (encryption, GssEncryptionMode.Disable));
        var id = await _database.InsertAsync();
        await ReplicatedAsync();
        var merger = Merger(dataSource);

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

        output.WriteLine(failure.Message);
        AreAllPoolers(heard);
        Assert.Equal("{}", await _database.EnvAsync(id));
        await connection.DisposeAsync();
        taken.Clear();
        await UntilMergedAsync(merger, id, output);
    }

    /// <summary>Without reserved connections a client waits until a child process is free.</summary>
    [Fact]
    public async Task When_all_children_are_in_use_a_login_that_times_out_is_transient()
    {
        await using var pooler = await StartAsync("num_init_children = 1");
        await using var taken = pooler.DataSource();
        var connection = await taken.OpenConnectionAsync();
        await using var dataSource = pooler.DataSource(static settings => settings.Timeout = 1);
        var id = await _database.InsertAsync();
        await ReplicatedAsync();
        var merger = Merger(dataSource);

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("{}", await _database.EnvAsync(id));
        await connection.DisposeAsync();
        taken.Clear();
        await UntilMergedAsync(merger, id, output);
    }

    [Fact]
    public async Task An_unknown_database_is_permanent()
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync();
        await using var dataSource = pooler.DataSource(static settings => settings.Database = "nowhere");
        var id = await _database.InsertAsync();

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: false, () => Merger(dataSource).MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("{}", await _database.EnvAsync(id));
    }

    // pgpool reports XX000 for a wrong password, as for much else; it passes on the server's error for an unknown user.
    [Theory]
    [InlineData(PgpoolServers.UserWithPassword, "wrong", true)]
    [InlineData("stranger", "wrong", false)]
    public async Task A_wrong_password_and_an_unknown_user_are_refused(string user, string password, bool isTransient)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync("allow_clear_text_frontend_auth = on");
        await using var right = pooler.DataSource(
            static settings => (settings.Username, settings.Password) = (PgpoolServers.UserWithPassword, PgpoolServers.Password));
        await using var wrong = pooler.DataSource(settings => (settings.Username, settings.Password) = (user, password));
        var id = await _database.InsertAsync();
        await ReplicatedAsync();

        Assert.True((await Merger(right).MergeAsync(id, Changes(("WARM", "1")))).Changed);
        await MergeFails.WithAsync(MergeFails.StoreError, isTransient, () => Merger(wrong).MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("""{"WARM": "1"}""", await _database.EnvAsync(id));
    }

    [Fact]
    public async Task A_reload_loses_nothing()
    {
        await using var pooler = await StartAsync();
        var (dataSource, merger, id, holder, merging) = await WaitingMergeAsync(pooler);
        await using var disposeDataSource = dataSource;

        await pooler.SignalAsync("HUP");
        await Task.Delay(500);
        await holder.DisposeAsync();

        Assert.Equal(2, (await merging.WaitAsync(Patience)).TotalAfter);
        Assert.Equal(3, (await merger.MergeAsync(id, Changes(("B", "1")))).TotalAfter);
    }

    [Fact]
    public async Task A_smart_stop_waits_for_a_merge_that_waits()
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync();
        var (dataSource, merger, id, holder, merging) = await WaitingMergeAsync(pooler);
        await using var disposeDataSource = dataSource;

        await pooler.SignalAsync("TERM");
        await Task.Delay(500);
        await holder.DisposeAsync();

        var told = await OutcomeAsync(merging);
        var stored = await StoredAtLastAsync(_database, id);
        output.WriteLine($"{told}; stored {stored}");
        Assert.Empty(Lies(told, stored));
    }

    [Theory]
    [InlineData("INT", false)]
    [InlineData("INT", true)]
    [InlineData("QUIT", false)]
    [InlineData("QUIT", true)]
    [InlineData("KILL", false)]
    [InlineData("KILL", true)]
    public async Task A_stop_in_the_middle_of_a_merge_is_unknown_if_COMMIT_was_sent(string how, bool withJournal)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync();
        var (dataSource, _, id, holder, merging) = await WaitingMergeAsync(pooler, withJournal);
        await using var disposeDataSource = dataSource;

        await (how is "KILL" ? pooler.KillChildrenAsync() : pooler.SignalAsync(how));

        var failure = await MergeFails.WithAsync(
            withJournal ? MergeFails.StoreError : MergeFails.OutcomeUnknown, isTransient: true, () => merging.WaitAsync(Patience));
        await holder.DisposeAsync();
        var stored = await StoredAtLastAsync(_database, id);
        output.WriteLine($"{failure.Message} Stored: {stored}");
        AreAllPoolers(heard);
        if (withJournal)
        {
            Assert.Equal("""{"WARM": "1"}""", stored);
        }
    }

    [Theory]
    [InlineData("client_idle_limit = 1")]
    [InlineData("child_life_time = 1")]
    [InlineData("connection_life_time = 1")]
    public async Task An_idle_session_that_pgpool_ends_is_never_reported_as_committed(string setting)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(setting);
        await using var dataSource = pooler.DataSource(static settings => settings.MaxPoolSize = 1);
        var id = await _database.InsertAsync();
        await ReplicatedAsync();
        var merger = Merger(dataSource);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        await Task.Delay(TimeSpan.FromSeconds(3));

        var told = await OutcomeAsync(merger.MergeAsync(id, Changes(("A", "1"))));

        var stored = await StoredAtLastAsync(_database, id);
        output.WriteLine($"{told}; stored {stored}");
        Assert.Empty(Lies(told, stored));
        await UntilMergedAsync(merger, id, output, "B");
    }

    /// <summary>pgpool takes it for the end of the primary, and has only the standby left.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_session_that_the_server_ends_is_not_committed_and_a_lost_primary_is_transient(bool withJournal)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync();
        var (dataSource, merger, id, holder, merging) = await WaitingMergeAsync(pooler, withJournal);
        await using var disposeDataSource = dataSource;

        await _database.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1",
            _database.Schema);

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merging.WaitAsync(Patience));
        await holder.DisposeAsync();
        Assert.Equal("""{"WARM": "1"}""", await StoredAtLastAsync(_database, id));
        for (var turn = 0; turn < 5; turn++)
        {
            // What an unknown one has written does not belong to the next.
            var key = $"A_{turn}";
            var told = await OutcomeAsync(merger.MergeAsync(id, Changes((key, "1"))));
            output.WriteLine($"{told}");
            Assert.Empty(Lies(told, await StoredAtLastAsync(_database, id), key));
            await Task.Delay(200);
        }
    }

    [Fact]
    public async Task A_cancel_of_the_server_is_not_committed()
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync();
        var (dataSource, merger, id, holder, merging) = await WaitingMergeAsync(pooler);
        await using var disposeDataSource = dataSource;

        await _database.ExecuteAsync(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1",
            _database.Schema);

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merging.WaitAsync(Patience));
        await holder.DisposeAsync();
        Assert.Equal("""{"WARM": "1"}""", await StoredAtLastAsync(_database, id));
        await UntilMergedAsync(merger, id, output, "B");
    }

    private static Dictionary<string, string?> Changes(params (string Key, string? Value)[] changes) =>
        changes.ToDictionary(static change => change.Key, static change => change.Value, StringComparer.Ordinal);

    private async Task<(
        NpgsqlDataSource DataSource,
        StackEnvMerger Merger,
        Guid Id,
        HeldLock Holder,
        Task<MergeResult> Merging)> WaitingMergeAsync(Pgpool pooler, bool withJournal = false)
    {
        var dataSource = pooler.DataSource();
        var id = await _database.InsertAsync();
        await ReplicatedAsync();
        var merger = Merger(dataSource, TimeSpan.FromSeconds(20), withJournal ? [Journal.Silent] : []);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        var holder = await _database.LockAsync(id);
        var merging = merger.MergeAsync(id, Changes(("A", "1")));
        await _database.WaitersAsync(1);
        return (dataSource, merger, id, holder, merging);
    }

    // The standby answers queries about the table.
    private Task ReplicatedAsync() => servers.ReplicatedAsync();

    private Task<Pgpool> StartAsync(string settings = "") => Pgpool.StartAsync(_database, servers.Standby, settings);

    private StackEnvMerger Merger(NpgsqlDataSource dataSource, TimeSpan? lockTimeout = null, params IStackEnvMergeJournal[] journals) =>
        new(dataSource, new() { Schema = _database.Schema, LockTimeout = lockTimeout ?? TimeSpan.FromSeconds(30) }, journals: journals);
}
