using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>PgBouncer in transaction mode between the merger and the server, without prepared statements.</summary>
/// <remarks>Each claim is put to every PgBouncer of this machine.</remarks>
public sealed class PgBouncerTests : DatabaseTest
{
    private const string Secret = "hunter2-planted-secret";

    public static TheoryData<string> Versions => PgBouncerProgram.Versions;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Many_clients_share_few_sessions_and_no_key_and_no_count_is_lost(string version)
    {
        const int Clients = 24;
        const int MergesOfEach = 20;
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource();
        await Database.ExecuteAsync("CREATE TABLE sessions (pid int, stack uuid, total_after int)");
        var sessions = new Journal((stack, result) =>
        [
            new(
                $"INSERT INTO {Database.Schema}.sessions VALUES (pg_backend_pid(), $1, " +
                "$2)") { Parameters = { new() { Value = stack.Key }, new() { Value = result.TotalAfter } } },
        ]);
        var merger = Merger(dataSource, TimeSpan.FromSeconds(30));
        var journaling = Merger(dataSource, TimeSpan.FromSeconds(30), sessions);
        Guid[] stacks = [await Database.InsertAsync("""{"OLD": "1"}"""), await Database.InsertAsync("""{"OLD": "1"}""")];

        var deleted = await Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            var count = 0;
            for (var merge = 0; merge < MergesOfEach; merge++)
            {
                var result = await (merge % 2 == 0 ? merger : journaling).MergeAsync(
                    stacks[client % 2], Changes(($"K_{client}_{merge}", "v"), ("OLD", "")));
                Assert.Equal(1, result.KeysSet);
                count += result.KeysDeleted;
            }

            return count;
        }));

        const int KeysOfEachStack = Clients / 2 * MergesOfEach;
        Assert.Equal(2, deleted.Sum());
        Assert.Equal(
            2,
            await Database.ScalarAsync<long>(
                "SELECT count(*) FROM stacks WHERE (SELECT count(*) FROM jsonb_object_keys(env_vars)) = $1", KeysOfEachStack));
        Assert.Equal(
            $"{KeysOfEachStack} {KeysOfEachStack}",
            await Database.ScalarAsync<string>("SELECT concat_ws(' ', count(*), count(DISTINCT (stack, total_after))) FROM sessions"));
        Assert.InRange(await Database.ScalarAsync<long>("SELECT count(DISTINCT pid) FROM sessions"), 1, PgBouncer.PoolSize);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task However_a_merge_ends_its_limits_do_not_reach_the_next_client_of_the_session(string version)
    {
        await using var pooler = await StartAsync(version, "default_pool_size = 2");
        await using var dataSource = pooler.DataSource();
        await Journal.CreateAuditAsync(Database);
        var id = await Database.InsertAsync();
        var deleting = await Database.InsertAsync(status: "deleting");
        var merger = Merger(dataSource, TimeSpan.FromMilliseconds(200));
        var before = await LimitsAsync();

        await merger.MergeAsync(id, Changes(("A", "1")));
        Assert.Equal(before, await LimitsAsync());

        await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync(deleting, Changes(("A", "1"))));
        Assert.Equal(before, await LimitsAsync());

        var failing = Merger(dataSource, TimeSpan.FromMilliseconds(200), new Journal(static (_, _) => [new("SELECT 1 / 0")]));
        await Assert.ThrowsAsync<StackEnvStoreException>(() => failing.MergeAsync(id, Changes(("A", "2"))));
        Assert.Equal(before, await LimitsAsync());

        await using (await Database.LockAsync(id))
        {
            await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("A", "3"))));
            Assert.Equal(before, await LimitsAsync());
        }

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.True((await merger.MergeAsync(id, Changes(("A", "4")))).Changed);

        // The sessions are shared out in turn, so that two of each make sure that none is left out.
        async Task<string> LimitsAsync()
        {
            var limits = new HashSet<string>(StringComparer.Ordinal);
            await using var first = await dataSource.OpenConnectionAsync();
            await using var second = await dataSource.OpenConnectionAsync();
            foreach (var connection in new[] { first, second })
            {
                await using var begin = new NpgsqlCommand("BEGIN", connection);
                await begin.ExecuteNonQueryAsync();
            }

            foreach (var connection in new[] { first, second })
            {
                await using var show = new NpgsqlCommand(
                    "SELECT concat_ws(' ', current_setting('lock_timeout'), current_setting('statement_timeout'), " +
                    "current_setting('idle_in_transaction_session_timeout'))",
                    connection);
                limits.Add((string)(await show.ExecuteScalarAsync())!);
                await using var end = new NpgsqlCommand("ROLLBACK", connection);
                await end.ExecuteNonQueryAsync();
            }

            return Assert.Single(limits);
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_cancelled_wait_leaves_and_nothing_is_written(string version)
    {
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource, TimeSpan.FromSeconds(30));
        await merger.MergeAsync(id, Changes(("A", "1")));
        var holder = await Database.LockAsync(id);
        using var cancel = new CancellationTokenSource();
        var merging = merger.MergeAsync(id, Changes(("A", "2")), cancel.Token);
        await Database.WaitersAsync(1);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => merging.WaitAsync(TimeSpan.FromSeconds(20)));
        await holder.DisposeAsync();
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.True((await merger.MergeAsync(id, Changes(("A", "3")))).Changed);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Resetting_connections_on_close_has_no_effect(string version)
    {
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource(static settings => settings.NoResetOnClose = false);
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource, TimeSpan.FromSeconds(30));

        await Task.WhenAll(Enumerable.Range(0, 100).Select(number => merger.MergeAsync(id, Changes(($"K_{number}", "v")))));

        Assert.Equal(100, await Database.ScalarAsync<long>("SELECT count(*) FROM stacks, jsonb_object_keys(env_vars)"));
    }

    // Transaction mode is not for clients that set something in their sessions, but some do.
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Resetting_connections_on_close_resets_the_session_of_another_client(string version)
    {
        await using var pooler = await StartAsync(version, "default_pool_size = 1");
        await using var other = pooler.DataSource();
        var id = await Database.InsertAsync();

        Assert.Equal("123MB", await MergeAfterASettingAsync(noReset: true));
        Assert.NotEqual("123MB", await MergeAfterASettingAsync(noReset: false));

        async Task<string> MergeAfterASettingAsync(bool noReset)
        {
            await using var dataSource = pooler.DataSource(settings => settings.NoResetOnClose = noReset);
            var merger = Merger(dataSource, TimeSpan.FromSeconds(30));
            await merger.MergeAsync(id, Changes(("A", $"{noReset}")));
            await using var set = other.CreateCommand("SET work_mem = '123MB'");
            await set.ExecuteNonQueryAsync();

            // The driver sends the reset ahead of the next statement of the pooled connection.
            await merger.MergeAsync(id, Changes(("B", $"{noReset}")));
            await using var show = other.CreateCommand("SHOW work_mem");
            return (string)(await show.ExecuteScalarAsync())!;
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_search_path_in_the_connection_string_is_refused_by_name(string version)
    {
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource(settings => settings.SearchPath = Database.Schema);
        var id = await Database.InsertAsync();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(dataSource).MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(PostgresErrorCodes.ProtocolViolation, failure.SqlState);
        Assert.Contains("search_path", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_client_too_many_gets_an_error_that_says_so(string version)
    {
        await using var pooler = await StartAsync(version, "max_client_conn = 1");
        await using var taken = pooler.DataSource();
        await using var connection = await taken.OpenConnectionAsync();
        await using var dataSource = pooler.DataSource();

        var failure = Assert.IsType<StackEnvStoreException>(await FailureAsync(dataSource));

        Assert.Equal(PostgresErrorCodes.ProtocolViolation, failure.SqlState);
        Assert.Contains("max_client_conn", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task If_no_session_becomes_free_a_new_client_gets_not_committed_and_one_that_sent_its_merge_gets_unknown(string version)
    {
        await using var pooler = await StartAsync(version, "default_pool_size = 1\nquery_wait_timeout = 1");
        await using var dataSource = pooler.DataSource();
        await using var fresh = pooler.DataSource();

        // The merger has looked at its table now, and its pool has a connection to PgBouncer that is logged in and idle.
        using var watch = new LeakWatch(Secret, "StackEnv.Merge");
        var merger = new StackEnvMerger(dataSource, new() { Schema = Database.Schema }, watch);
        Assert.True((await merger.MergeAsync(await Database.InsertAsync(), Changes(("A", "1")))).Changed);
        await using var other = pooler.DataSource();
        await using var holder = await other.OpenConnectionAsync();
        await using var transaction = await holder.BeginTransactionAsync();
        await using var hold = new NpgsqlCommand("SELECT 1", holder);
        await hold.ExecuteScalarAsync();

        Assert.IsType<MergeOutcomeUnknownException>(await FailureAsync(merger, watch));
        Assert.Equal(PostgresErrorCodes.ProtocolViolation, Assert.IsType<StackEnvStoreException>(await FailureAsync(fresh)).SqlState);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Where_the_server_does_not_answer_PgBouncer_the_merge_was_not_sent(string version)
    {
        await using var pooler = await PgBouncer.StartAsync(
            PgBouncerProgram.OfVersion(version), Database, server: "host=/nowhere port=1 dbname=none");
        await using var dataSource = pooler.DataSource(static settings => settings.Timeout = 1);

        Assert.True(Assert.IsType<StackEnvStoreException>(await FailureAsync(dataSource)).IsTransient);
    }

    private async Task<StackEnvMergeException> FailureAsync(NpgsqlDataSource dataSource)
    {
        using var watch = new LeakWatch(Secret, "StackEnv.Merge");
        return await FailureAsync(new(dataSource, new() { Schema = Database.Schema }, watch), watch);
    }

    private async Task<StackEnvMergeException> FailureAsync(StackEnvMerger merger, LeakWatch watch)
    {
        var id = await Database.InsertAsync();

        var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync(id, Changes(("A", Secret))));

        watch.Read(failure);
        Assert.Empty(watch.Leaks);
        Assert.Equal("{}", await Database.EnvAsync(id));
        return failure;
    }

    private Task<PgBouncer> StartAsync(string version, string settings = "") =>
        PgBouncer.StartAsync(PgBouncerProgram.OfVersion(version), Database, settings);

    private StackEnvMerger Merger(NpgsqlDataSource dataSource, TimeSpan lockTimeout, params IStackEnvMergeJournal[] journals) =>
        new(dataSource, new() { Schema = Database.Schema, LockTimeout = lockTimeout }, journals: journals);
}
