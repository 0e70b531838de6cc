using Npgsql;
using static StackEnv.Merge.Reliability.Tests.Neighbours.PoolerChecks;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>PgBouncer is drained, or loses patience, while a merge that was sent waits for its row on the server.</summary>
public sealed class PgBouncerDrainTests(ITestOutputHelper output) : DatabaseTest
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static TheoryData<string> Versions => PgBouncerProgram.Versions;

    public static TheoryData<string, string, bool> Endings
    {
        get
        {
            var endings = new TheoryData<string, string, bool>();
            foreach (var version in ((IEnumerable<object[]>)PgBouncerProgram.Versions).Select(static row => (string)row[0]))
            {
                foreach (var command in new[] { "KILL stacks", "SHUTDOWN" })
                {
                    endings.Add(version, command, false);
                    endings.Add(version, command, true);
                }
            }

            return endings;
        }
    }

    /// <summary>The batch holds COMMIT, unless a journal has to be asked first. The server carries out what it received.</summary>
    [Theory]
    [MemberData(nameof(Endings))]
    public async Task Ended_sessions_are_unknown_if_COMMIT_was_sent(string version, string command, bool withJournal)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource, withJournal);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        var holder = await Database.LockAsync(id);
        var merging = merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);

        await pooler.RunAsync(command);

        var failure = await MergeFails.WithAsync(
            withJournal ? MergeFails.StoreError : MergeFails.OutcomeUnknown, isTransient: true, () => merging.WaitAsync(Patience));
        await holder.DisposeAsync();
        var stored = await StoredAtLastAsync(Database, id);
        output.WriteLine($"{failure.Message} Stored: {stored}");
        AreAllPoolers(heard);
        if (withJournal)
        {
            Assert.Equal("""{"WARM": "1"}""", stored);
        }
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task PAUSE_lets_a_merge_that_waits_end_and_keeps_others_out_until_RESUME(string version)
    {
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        var holder = await Database.LockAsync(id);
        var merging = merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);

        var pausing = pooler.RunAsync("PAUSE");
        await Task.Delay(100);
        Assert.False(pausing.IsCompleted);
        await holder.DisposeAsync();
        Assert.True((await merging).Changed);
        await pausing.WaitAsync(Patience);
        var late = merger.MergeAsync(id, Changes(("LATE", "1")));
        await Task.Delay(200);
        Assert.False(late.IsCompleted);
        Assert.Equal("""{"A": "1", "WARM": "1"}""", await Database.EnvAsync(id));
        await pooler.RunAsync("RESUME");

        Assert.Equal(3, (await late.WaitAsync(Patience)).TotalAfter);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task RECONNECT_and_RELOAD_lose_nothing(string version)
    {
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        var holder = await Database.LockAsync(id);
        var merging = merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);

        await pooler.RunAsync("RECONNECT");
        await pooler.RunAsync("RELOAD");
        await holder.DisposeAsync();

        Assert.Equal(2, (await merging.WaitAsync(Patience)).TotalAfter);
        Assert.Equal(3, (await merger.MergeAsync(id, Changes(("B", "1")))).TotalAfter);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_query_timeout_of_PgBouncer_is_unknown(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version, "query_timeout = 1");
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        await using (await Database.LockAsync(id))
        {
            var failure = await MergeFails.WithAsync(
                MergeFails.OutcomeUnknown, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(Patience));
            output.WriteLine(failure.Message);
        }

        output.WriteLine(await StoredAtLastAsync(Database, id));
        AreAllPoolers(heard);
    }

    /// <summary>It ends the transaction between the two batches. The second one holds COMMIT.</summary>
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task An_idle_transaction_timeout_of_PgBouncer_never_claims_a_commit(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version, "idle_transaction_timeout = 1");
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(dataSource, new() { Schema = Database.Schema }, journals: [new Journal(static (_, _) =>
        {
            Thread.Sleep(TimeSpan.FromSeconds(3));
            return [];
        })]);

        var failure = await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))).WaitAsync(Patience));

        output.WriteLine(failure.Message);
        Assert.Equal("{}", await StoredAtLastAsync(Database, id));
    }

    /// <summary>The driver finds the message that ended the idle session only after it has sent the merge.</summary>
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_client_idle_timeout_of_PgBouncer_is_unknown_once_and_then_works(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version, "client_idle_timeout = 1");
        await using var dataSource = pooler.DataSource(static settings => settings.MaxPoolSize = 1);
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        await Task.Delay(TimeSpan.FromSeconds(3));

        var failure = await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

        output.WriteLine(failure.Message);
        Assert.Equal("""{"WARM": "1"}""", await StoredAtLastAsync(Database, id));
        Assert.Equal(2, (await merger.MergeAsync(id, Changes(("B", "1")))).TotalAfter);
    }

    /// <summary>PgBouncer passes the server's own message on, word for word.</summary>
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_session_that_the_server_ends_is_not_committed(string version)
    {
        using var heard = new HeardErrors(output);
        await using var pooler = await StartAsync(version);
        await using var dataSource = pooler.DataSource();
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);
        await merger.MergeAsync(id, Changes(("WARM", "1")));
        var holder = await Database.LockAsync(id);
        var merging = merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);

        await Database.ExecuteAsync(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = $1",
            Database.Schema);

        var failure = await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merging.WaitAsync(Patience));
        await holder.DisposeAsync();
        output.WriteLine(failure.Message);
        Assert.Equal("ProcessInterrupts", heard.Last.Routine);
        Assert.Equal("""{"WARM": "1"}""", await StoredAtLastAsync(Database, id));
    }

    private Task<PgBouncer> StartAsync(string version, string settings = "") =>
        PgBouncer.StartAsync(PgBouncerProgram.OfVersion(version), Database, settings);

    private StackEnvMerger Merger(NpgsqlDataSource dataSource, bool withJournal = false) => new(
        dataSource, new() { Schema = Database.Schema, LockTimeout = TimeSpan.FromSeconds(20) },
        journals: withJournal ? [Journal.Silent] : []);
}
