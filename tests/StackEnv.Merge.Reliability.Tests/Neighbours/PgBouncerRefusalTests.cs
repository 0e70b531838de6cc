using System.Diagnostics;
using Npgsql;
using static StackEnv.Merge.Reliability.Tests.Neighbours.PoolerChecks;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>PgBouncer refuses a session before anything was sent, or a merge that it could not forward yet.</summary>
public sealed class PgBouncerRefusalTests(ITestOutputHelper output) : DatabaseTest
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static TheoryData<string> Versions => PgBouncerProgram.Versions;

    public static TheoryData<string, string, string, string, string> Logins
    {
        get
        {
            var logins = new TheoryData<string, string, string, string, string>();
            foreach (var version in ((IEnumerable<object[]>)PgBouncerProgram.Versions).Select(static row => (string)row[0]))
            {
                logins.Add(version, "md5", "stacks", "anyone", "wrong");
                logins.Add(version, "scram-sha-256", "stacks", "anyone", "wrong");
                logins.Add(version, "scram-sha-256", "stacks", "stranger", "right");
                logins.Add(version, "scram-sha-256", "nowhere", "anyone", "right");
                logins.Add(version, "any", "nowhere", "anyone", "right");
            }

            return logins;
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_full_PgBouncer_is_transient(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version, "max_client_conn = 1");
        await using var taken = pooler.DataSource();
        var connection = await taken.OpenConnectionAsync();
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

        AreAllPoolers(heard);
        Assert.Equal("{}", await Database.EnvAsync(id));
        await connection.DisposeAsync();
        taken.Clear();
        await UntilMergedAsync(merger, id, output);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_first_merge_that_finds_no_server_session_was_not_sent(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version, "default_pool_size = 1\nquery_wait_timeout = 1");
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        await using (await TakeTheOnlySessionAsync(dataSource))
        {
            await MergeFails.WithAsync(
                MergeFails.StoreError, isTransient: true, () => Merger(dataSource).MergeAsync(id, Changes(("A", "1"))));
        }

        AreAllPoolers(heard);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_merge_that_was_sent_but_gets_no_server_session_is_unknown_and_is_never_forwarded(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version, "default_pool_size = 1\nquery_wait_timeout = 1");
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        await using (await TakeTheOnlySessionAsync(dataSource, alsoIdle: 1))
        {
            await MergeFails.WithAsync(MergeFails.OutcomeUnknown, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));
        }

        AreAllPoolers(heard);
        await UntilMergedAsync(merger, id, output, "B");
        Assert.Equal("""{"B": "1", "WARM": "1"}""", await Database.EnvAsync(id));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Where_PgBouncer_waits_longer_the_merge_ends_by_its_own_limit_and_is_never_forwarded(string version)
    {
        await using var pooler = await StartAsync(version, "default_pool_size = 1\nquery_wait_timeout = 120");

        // PgBouncer does not answer the cancel of a client that waits for a session.
        await using var dataSource = pooler.DataSource(static settings => settings.CancellationTimeout = 200);
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(dataSource, new() { Schema = Database.Schema, LockTimeout = TimeSpan.FromSeconds(1) });
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        await using (await TakeTheOnlySessionAsync(dataSource, alsoIdle: 1))
        {
            await MergeFails.WithAsync(
                MergeFails.OutcomeUnknown, isTransient: true,
                () => merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(TimeSpan.FromSeconds(1 + 5 + 20)));
        }

        await UntilMergedAsync(merger, id, output, "B");
        Assert.Equal("""{"B": "1", "WARM": "1"}""", await Database.EnvAsync(id));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task With_a_journal_a_merge_that_was_not_forwarded_is_not_committed(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version, "default_pool_size = 1\nquery_wait_timeout = 1");
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource, Journal.Silent);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        await using (await TakeTheOnlySessionAsync(dataSource, alsoIdle: 1))
        {
            await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));
        }

        AreAllPoolers(heard);
        Assert.Equal("""{"WARM": "1"}""", await Database.EnvAsync(id));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task While_its_server_is_down_every_merge_is_transient_and_then_one_succeeds(string version)
    {
        await using var cluster = await RestartableCluster.StartAsync();
        var database = await TestDatabase.CreateAsync(cluster.ConnectionString);
        await using var disposeDatabase = database.DataSource;
        using var heard = new HeardErrors(output);
        var id = await database.InsertAsync();
        database.DataSource.Clear();
        await cluster.StopAsync(ShutdownMode.Fast);
        await using var pooler = await PgBouncer.StartAsync(
            PgBouncerProgram.OfVersion(version), database, "server_login_retry = 1\nquery_wait_timeout = 2");
        await using var dataSource = pooler.DataSource();
        var merger = new StackEnvMerger(dataSource, new() { Schema = database.Schema });

        var started = Stopwatch.GetTimestamp();
        while (!heard.Poolers.Any())
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, "PgBouncer did not report that its server is down.");
            await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));
        }

        AreAllPoolers(heard);
        await cluster.StartAgainAsync();
        database.DataSource.Clear();
        await UntilMergedAsync(merger, id, output);
        Assert.Equal("""{"A": "1"}""", await database.EnvAsync(id));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task After_its_server_went_down_an_idle_client_gets_unknown_and_a_new_one_gets_not_committed(string version)
    {
        await using var cluster = await RestartableCluster.StartAsync();
        var database = await TestDatabase.CreateAsync(cluster.ConnectionString);
        await using var disposeDatabase = database.DataSource;
        using var heard = new HeardErrors(output);
        var id = await database.InsertAsync();
        await using var pooler = await PgBouncer.StartAsync(
            PgBouncerProgram.OfVersion(version), database, "server_login_retry = 1\nquery_wait_timeout = 2");
        await using var dataSource = pooler.DataSource();
        var merger = new StackEnvMerger(dataSource, new() { Schema = database.Schema });
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        await cluster.StopAsync(ShutdownMode.Fast);

        var idle = await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));
        await using var fresh = pooler.DataSource();
        await MergeFails.WithAsync(
            MergeFails.StoreError,
            isTransient: true,
            () => new StackEnvMerger(fresh, new() { Schema = database.Schema }).MergeAsync(id, Changes(("A", "1"))));

        output.WriteLine(idle.Message);
        await cluster.StartAgainAsync();
        database.DataSource.Clear();
        Assert.Equal("""{"WARM": "1"}""", await database.EnvAsync(id));
    }

    // PgBouncer reports 08P01 for both a wrong password and a full pool, and only its text differs. Giving up work for good is the
    // worse mistake, so both are transient.
    [Theory]
    [MemberData(nameof(Logins))]
    public async Task A_login_that_cannot_succeed_is_indistinguishable_from_a_full_pooler(
        string version, string authentication, string database, string user, string password)
    {
        using var heard = new HeardErrors(output);
        var users = Path.Combine(Path.GetTempPath(), $"stackenv-users-{Guid.NewGuid():N}");
        await File.WriteAllTextAsync(users, "\"anyone\" \"right\"\n");
        try
        {
            await using var pooler = await StartAsync(version, $"auth_type = {authentication}\nauth_file = {users}");
            await using var right = pooler.DataSource(static settings => settings.Password = "right");
            await using var wrong = pooler.DataSource(
                settings => (settings.Database, settings.Username, settings.Password) = (database, user, password));
            var id = await Database.InsertAsync();

            await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => Merger(wrong).MergeAsync(id, Changes(("A", "1"))));

            Assert.Equal("{}", await Database.EnvAsync(id));
            Assert.True((await Merger(right).MergeAsync(id, Changes(("A", "1")))).Changed);
        }
        finally
        {
            File.Delete(users);
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task An_option_that_PgBouncer_does_not_take_looks_the_same(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource(settings => settings.SearchPath = Database.Schema);
        var id = await Database.InsertAsync();

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => Merger(dataSource).MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task What_the_server_says_of_PgBouncers_own_login_is_not_committed(string version)
    {
        using var heard = new HeardErrors(output);
        var server = new NpgsqlConnectionStringBuilder(Database.ConnectionString);
        await using var pooler = await PgBouncer.StartAsync(
            PgBouncerProgram.OfVersion(version), Database, "query_wait_timeout = 2",
            $"host={server.Host} port={server.Port} dbname=nowhere");
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();

        for (var turn = 0; turn < 2; turn++)
        {
            var failure = await MergeFails.WithAsync(MergeFails.StoreError, () => Merger(dataSource).MergeAsync(id, Changes(("A", "1"))));
            output.WriteLine($"{failure.IsTransient} {failure.Message}");
        }

        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    private static async Task<IAsyncDisposable> TakeTheOnlySessionAsync(NpgsqlDataSource dataSource, int alsoIdle = 0)
    {
        // The pool then has as many connections to PgBouncer that are logged in and idle.
        var holder = await dataSource.OpenConnectionAsync();
        for (var idle = 0; idle < alsoIdle; idle++)
        {
            await (await dataSource.OpenConnectionAsync()).DisposeAsync();
        }

        await using var begin = new NpgsqlCommand("BEGIN", holder);
        await begin.ExecuteNonQueryAsync();
        return holder;
    }

    private Task<PgBouncer> StartAsync(string version, string settings = "") =>
        PgBouncer.StartAsync(PgBouncerProgram.OfVersion(version), Database, settings);

    private StackEnvMerger Merger(NpgsqlDataSource dataSource, params IStackEnvMergeJournal[] journals) =>
        new(dataSource, new() { Schema = Database.Schema }, journals: journals);
}
