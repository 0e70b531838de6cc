using System.Globalization;
using System.IO.Pipelines;
using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>What journals write is committed with the merge, or neither is.</summary>
public sealed class JournalTests : DatabaseTest, IAsyncLifetime
{
    private Guid _id;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        await Journal.CreateAuditAsync(Database);
        _id = await Database.InsertAsync("""{"OLD": "o"}""");
    }

    public static TheoryData<string, Func<StackRef, MergeResult, IEnumerable<NpgsqlBatchCommand>>> Failing => new()
    {
        { "threw System.FormatException", static (_, _) => throw new FormatException("hunter2") },
        { "threw System.FormatException", static (_, _) => Enumerable.Range(0, 2).Select(
            static number => number == 0 ? Say("zero") : throw new FormatException("hunter2")) },
        { "returned null", static (_, _) => null! },
        { "returned a null command", static (_, _) => [Say("fine"), null!] },
        { "returned a command with an error barrier", static (_, _) => [new("SELECT") { AppendErrorBarrier = true }] },
        {
            "failed. PostgreSQL reported SQLSTATE 42P01: relation \"nowhere\" does not exist.",
            static (_, _) => [Say("fine"), new("INSERT INTO nowhere VALUES (1)")]
        },
        {
            "failed. PostgreSQL reported SQLSTATE 22P02.",
            static (_, _) => [new("SELECT CAST($1 AS int)") { Parameters = { new() { Value = "hunter2" } } }]
        },
    };

    [Fact]
    public async Task An_audit_row_is_of_the_merges_own_transaction()
    {
        var result = await Database.MergerWith(Journal.Audit).MergeAsync(_id, Changes(("A", "1"), ("OLD", "")));

        Assert.Equal((1, 1, 1), (result.KeysSet, result.KeysDeleted, result.TotalAfter));
        Assert.Equal(1, await Database.ScalarAsync<long>(
            "SELECT count(*) FROM audit JOIN stacks ON audit.xmin = stacks.xmin AND stack = stacks.id AND env = env_vars WHERE " +
            "(keys_set, keys_deleted, total_after) = (1, 1, 1)"));
    }

    [Fact]
    public async Task Journals_run_in_the_order_of_registration_and_see_the_callers_result()
    {
        var seen = new List<(string Journal, StackRef Stack, MergeResult Result)>();
        await Database.ExecuteAsync("CREATE TABLE said (number bigint GENERATED ALWAYS AS IDENTITY, text text)");
        Journal Speaker(string name) => new((stack, result) =>
        {
            seen.Add((name, stack, result));
            return [Say($"{name}.1"), Say($"{name}.2")];
        });

        var result = await Database.MergerWith(Speaker("a"), Speaker("b"), Speaker("c")).MergeAsync(_id, Changes(("A", "1")));

        Assert.Equal(
            "a.1 a.2 b.1 b.2 c.1 c.2", await Database.ScalarAsync<string>("SELECT string_agg(text, ' ' ORDER BY number) FROM said"));
        Assert.Equal(["a", "b", "c"], seen.Select(static entry => entry.Journal));
        Assert.All(seen, entry => Assert.Same(result, entry.Result));
        Assert.All(seen, entry => Assert.Equal(_id, entry.Stack));
    }

    [Fact]
    public async Task A_journal_runs_in_the_callers_execution_context()
    {
        var actor = new AsyncLocal<string>();
        await Database.ExecuteAsync("CREATE TABLE said (number bigint GENERATED ALWAYS AS IDENTITY, text text)");
        var merger = Database.MergerWith(new Journal((_, _) => [Say(actor.Value!)]));

        await Task.WhenAll(Enumerable.Range(0, 8).Select(async number =>
        {
            actor.Value = $"actor {number}";
            await merger.MergeAsync(_id, Changes(($"A_{number}", "1")));
        }));

        Assert.Equal(
            "0 1 2 3 4 5 6 7", await Database.ScalarAsync<string>("SELECT string_agg(substr(text, 7), ' ' ORDER BY text) FROM said"));
    }

    [Fact]
    public async Task A_journal_is_called_for_a_merge_that_changes_nothing_and_may_return_nothing()
    {
        var asked = new List<bool>();
        var merger = Database.MergerWith(new Journal((_, result) =>
        {
            asked.Add(result.Changed);
            return [];
        }));

        await merger.MergeAsync(_id, Changes(("OLD", "o")));
        await merger.MergeAsync(_id, Changes(("OLD", "new")));

        Assert.Equal([false, true], asked);
        Assert.Equal("""{"OLD": "new"}""", await Database.EnvAsync(_id));
    }

    [Fact]
    public async Task A_journal_is_never_called_for_a_merge_that_is_refused()
    {
        var asked = 0;
        var journals = new[] { new Journal((_, _) => { asked++; return []; }) };
        var merger = new StackEnvMerger(
            Database.DataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(50), MaxEnvBytes = 100 }, journals: journals);
        var deleting = await Database.InsertAsync(status: "deleting");
        var broken = await Database.InsertAsync("[]");

        await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(Guid.NewGuid(), Changes(("A", "1"))));
        await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync(deleting, Changes(("A", "1"))));
        await Assert.ThrowsAsync<StoredEnvInvalidException>(() => merger.MergeAsync(broken, Changes(("A", "1"))));
        await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(_id, Changes(("A", new string('x', 85)))));
        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => merger.MergeAsync(_id, Changes(("a", "1"))));
        await using (await Database.LockAsync(_id))
        {
            await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(_id, Changes(("A", "1"))));
        }

        Assert.Equal(0, asked);
    }

    // Plain statements, because what a function raises has a context, and then the message is left out.
    public static TheoryData<string, string> Refused => new()
    {
        { "42P01: relation \"nowhere\" does not exist", "SELECT FROM nowhere" },
        { "42703", "SELECT other FROM audit" },
        { "42P01", "SELECT other.id FROM audit" },
        { "55000", "SELECT currval('counter')" },
        { "25001", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE" },
        { "57014: canceling statement due to statement timeout", "SELECT pg_sleep(60)" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_the_server_says_is_shown_if_it_can_only_name_a_table_or_a_limit(string problem, string statement)
    {
        await Database.ExecuteAsync("CREATE SEQUENCE counter");
        var merger = Database.MergerWith(new Journal((_, _) => [new("SET LOCAL statement_timeout = 200"), new(statement)]));

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(_id, Changes(("A", "1"))));

        Assert.EndsWith($"SQLSTATE {problem}.", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Failing))]
    public async Task A_journal_that_fails_rolls_the_merge_back(
        string problem, Func<StackRef, MergeResult, IEnumerable<NpgsqlBatchCommand>> record)
    {
        await Database.ExecuteAsync("CREATE TABLE said (number bigint GENERATED ALWAYS AS IDENTITY, text text)");
        await using var one = Database.DataSourceWith(static settings => settings.MaxPoolSize = 1);
        var before = await Database.FootprintAsync(_id);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(one, journals: [Journal.Audit, new Journal(record)]).MergeAsync(_id, Changes(("A", "hunter2"))));

        Assert.Contains($"The journal {typeof(Journal)} {problem}", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", failure.ToString(), StringComparison.Ordinal);
        Assert.Equal(before, await Database.FootprintAsync(_id));
        Assert.Equal(0, await Database.ScalarAsync<long>("SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM said)"));
        Assert.True((await new StackEnvMerger(one, journals: [Journal.Audit]).MergeAsync(_id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_deferred_constraint_that_fails_at_COMMIT_rolls_both_back()
    {
        await Database.ExecuteAsync(Trigger.InCommit("RAISE EXCEPTION SQLSTATE '40001'", "AFTER INSERT", "audit"));

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => Database.MergerWith(Journal.Audit).MergeAsync(_id, Changes(("A", "1"))));

        Assert.Equal((PostgresErrorCodes.SerializationFailure, true), (failure.SqlState, failure.IsTransient));
        Assert.Equal("""{"OLD": "o"}""", await Database.EnvAsync(_id));
        Assert.Equal(0, await Database.ScalarAsync<long>("SELECT count(*) FROM audit"));
    }

    [Fact]
    public async Task A_cancelled_journal_statement_commits_nothing()
    {
        using var cancel = new CancellationTokenSource();
        var merging = Database.MergerWith(Journal.Audit, new Journal(static (_, _) => [new("SELECT pg_sleep(600)")]))
            .MergeAsync(_id, Changes(("A", "1")), cancel.Token);
        await ActivityAsync("SELECT pg_sleep(600)");

        await cancel.CancelAsync();

        await Assert.ThrowsAsync<OperationCanceledException>(() => merging);
        Assert.Equal("""{"OLD": "o"}""", await Database.EnvAsync(_id));
        Assert.Equal(0, await Database.ScalarAsync<long>("SELECT count(*) FROM audit"));
    }

    // With rows of a hundred kilobytes ahead of it, the first answers arrive at once.
    [Theory]
    [InlineData("SELECT")]
    [InlineData("SELECT repeat('x', 100000)")]
    public async Task A_slow_journal_statement_does_not_hold_the_row_forever(string before)
    {
        var merger = Impatient(new Journal((_, _) => [new(before), new("SELECT pg_sleep(600)")]));

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => merger.MergeAsync(_id, Changes(("A", "1"))).WaitAsync(TimeSpan.FromSeconds(60)));

        Assert.True(failure.IsTransient);
        Assert.Contains($"The journal {typeof(Journal)} failed. It took longer than 5.001 s.", failure.Message, StringComparison.Ordinal);
        Assert.True((await Database.Merger.MergeAsync(_id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task What_journals_write_may_take_longer_than_the_hosts_Command_Timeout()
    {
        await using var dataSource = Database.DataSourceWith(static settings => settings.CommandTimeout = 1);
        var merger = new StackEnvMerger(dataSource, journals: [new Journal(static (_, _) => [new("SELECT pg_sleep(2)")])]);

        Assert.True((await merger.MergeAsync(_id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_slow_Record_does_not_hold_the_row_forever()
    {
        using var answered = new ManualResetEventSlim();
        var merger = Impatient(new Journal((_, _) =>
        {
            answered.Wait(TimeSpan.FromSeconds(60));
            return [];
        }));
        var merging = Task.Run(() => merger.MergeAsync(_id, Changes(("A", "1"))));

        // The server ends the idle session, and another merge gets the row while the journal is still thinking.
        var patient = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromSeconds(60));
        await ActivityAsync("SET LOCAL idle_in_transaction_session_timeout = 6001");
        Assert.True((await patient.MergeAsync(_id, Changes(("B", "2")))).Changed);
        answered.Set();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merging);
        Assert.True(failure.IsTransient);
        Assert.Contains($"The journal {typeof(Journal)} was not ready within 5.001 s.", failure.Message, StringComparison.Ordinal);
        Assert.Equal("""{"B": "2", "OLD": "o"}""", await Database.EnvAsync(_id));
    }

    [Fact]
    public async Task A_journal_that_returns_commands_without_end_does_not_hold_the_row_forever()
    {
        var merger = Impatient(new Journal(static (_, _) => WithoutEnd()));

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError,
            isTransient: true,
            () => Task.Run(() => merger.MergeAsync(_id, Changes(("A", "1")))).WaitAsync(TimeSpan.FromSeconds(60)));

        Assert.Contains($"The journal {typeof(Journal)} was not ready within 5.001 s.", failure.Message, StringComparison.Ordinal);
        Assert.Equal("""{"OLD": "o"}""", await Database.EnvAsync(_id));

        static IEnumerable<NpgsqlBatchCommand> WithoutEnd()
        {
            while (true)
            {
                Thread.Sleep(10);
                yield return new("SELECT 1");
            }
        }
    }

    [Theory]
    [InlineData("stalls")]
    [InlineData("trickles")]
    public async Task A_stream_that_does_not_end_does_not_hold_the_row_forever(string how)
    {
        var pipe = new Pipe();
        await using var stream = pipe.Reader.AsStream();
        var merger = Impatient(new Journal((_, _) => [new("SELECT $1::bytea") { Parameters = { new() { Value = stream } } }]));

        var merging = merger.MergeAsync(_id, Changes(("A", "1"))).WaitAsync(TimeSpan.FromSeconds(60));
        while (how == "trickles" && await Task.WhenAny(merging, Task.Delay(20)) != merging)
        {
            await pipe.Writer.WriteAsync(new byte[1]);
        }

        // As of a slow Record: the journal was not ready in time, and the next time it may be.
        var failure = await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merging);
        Assert.Contains($"The journal {typeof(Journal)} was not ready within 5.001 s.", failure.Message, StringComparison.Ordinal);
        Assert.Equal("""{"OLD": "o"}""", await Database.EnvAsync(_id));
        Assert.True((await Database.Merger.MergeAsync(_id, Changes(("A", "1")))).Changed);
        await pipe.Writer.CompleteAsync();
    }

    [Fact]
    public async Task A_stream_that_holds_the_thread_for_too_long_is_too_late_although_it_ends()
    {
        await using var stream = new ActingStream(static () => Thread.Sleep(5_300));
        var merger = Impatient(new Journal((_, _) => [new("SELECT $1::bytea") { Parameters = { new() { Value = stream } } }]));

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(_id, Changes(("A", "1"))));

        Assert.Contains($"The journal {typeof(Journal)} was not ready within 5.001 s.", failure.Message, StringComparison.Ordinal);
        Assert.Equal("""{"OLD": "o"}""", await Database.EnvAsync(_id));
    }

    [Fact]
    public async Task A_slow_Record_and_a_stream_that_does_not_end_share_one_limit()
    {
        await using var stream = new Pipe().Reader.AsStream();
        var merger = Impatient(new Journal((_, _) =>
        {
            Thread.Sleep(4_000);
            return [new("SELECT $1::bytea") { Parameters = { new() { Value = stream } } }];
        }));

        var watch = System.Diagnostics.Stopwatch.StartNew();
        await MergeFails.WithAsync(MergeFails.StoreError, () => merger.MergeAsync(_id, Changes(("A", "1"))));

        // 5.001 s of both, and not 4 s and then another 5.001 s.
        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(8));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 2)]
    [InlineData(5, 2)]
    public async Task Journals_cost_one_round_trip_more_however_many_there_are(int journals, int roundTrips)
    {
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
        await using (proxy)
        {
            await using (dataSource)
            {
                var merger = new StackEnvMerger(dataSource, journals: Enumerable.Repeat(Journal.Audit, journals));
                await merger.MergeAsync(_id, Changes(("WARM", "up")));

                foreach (var changes in new[] { Changes(("A", "1")), Changes(("A", "1")) })
                {
                    proxy.Arm(fault: null);
                    await merger.MergeAsync(_id, changes);
                    Assert.Equal(roundTrips, proxy.RoundTrips);
                }
            }
        }
    }

    [Fact]
    public async Task A_key_that_several_rows_have_is_not_written_at_all_where_there_is_a_journal()
    {
        await Database.ExecuteAsync("CREATE TABLE twins (slug text, status text, env_vars jsonb)");
        await Database.ExecuteAsync("INSERT INTO twins VALUES ('shop', 'up', '{}'), ('shop', 'up', '{}')");
        var merger = new StackEnvMerger(
            Database.DataSource, new() { Table = "twins", KeyColumn = "slug", UpdatedAtColumn = null }, journals: [Journal.Audit]);

        await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync("shop", Changes(("A", "1"))));

        Assert.Equal(2, await Database.ScalarAsync<long>("SELECT count(*) FROM twins WHERE env_vars = '{}'"));
    }

    private static NpgsqlBatchCommand Say(string text) =>
        new("INSERT INTO said (text) VALUES ($1)") { Parameters = { new() { Value = text } } };

    // The limit of the second batch is five seconds more than this.
    private StackEnvMerger Impatient(Journal journal) =>
        new(Database.DataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(1) }, journals: [journal]);

    private async Task ActivityAsync(string query)
    {
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (
            await Database.ScalarAsync<long>(
                "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND application_name = $2", query, Database.Schema) == 0)
        {
            Assert.True(DateTime.UtcNow < deadline, string.Create(CultureInfo.InvariantCulture, $"{query} did not show up."));
            await Task.Delay(5);
        }
    }
}
