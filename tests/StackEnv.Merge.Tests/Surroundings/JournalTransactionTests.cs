using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A journal may use savepoints. One that ends the merge's transaction by its SQL is noticed, and the caller gets a true answer.
/// </summary>
public sealed class JournalTransactionTests : DatabaseTest
{
    private const string Fails = "SELECT 1 / 0";
    private const string FirstOfSecondFlush = "DECLARE stackenv_merge";

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("END")]
    [InlineData("/* audit */ commit")]
    [InlineData("COMMIT", "BEGIN")]
    [InlineData("COMMIT", "BEGIN", "INSERT INTO notes VALUES ('late')")]
    [InlineData("COMMIT AND CHAIN")]
    [InlineData("COMMIT AND CHAIN", "INSERT INTO notes VALUES ('late')")]
    [InlineData("COMMIT", Fails)]
    [InlineData("COMMIT", "BEGIN", Fails)]
    [InlineData("COMMIT AND CHAIN", Fails)]
    [InlineData("COMMIT", "CALL commits()")]
    [InlineData("ROLLBACK")]
    [InlineData("ABORT")]
    [InlineData("ROLLBACK", "BEGIN")]
    [InlineData("ROLLBACK", "INSERT INTO notes VALUES ('late')")]
    [InlineData("ROLLBACK AND CHAIN")]
    [InlineData("ROLLBACK", Fails)]
    [InlineData("ROLLBACK AND CHAIN", Fails)]
    public async Task A_journal_that_ends_the_transaction_is_never_reported_as_a_success_or_as_not_committed(params string[] statements)
    {
        await Database.ExecuteAsync("CREATE TABLE notes (note text)");
        await Database.ExecuteAsync("CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'");
        var merger = Database.MergerWith(new Journal((_, _) => statements.Select(static sql => new NpgsqlBatchCommand(sql))));

        var failure = await AssertTruthAsync(merger);

        Assert.NotNull(failure);
    }

    [Theory]
    [InlineData("CALL commits()")]
    [InlineData("CALL rolls_back()")]
    [InlineData("DO 'BEGIN COMMIT; END'")]
    [InlineData("DO 'BEGIN ROLLBACK; END'")]
    [InlineData("PREPARE TRANSACTION 'merge'")]
    [InlineData("COMMIT PREPARED 'merge'")]
    [InlineData("ROLLBACK TO SAVEPOINT none_of_that_name")]
    [InlineData("INSERT INTO notes VALUES ('first'); COMMIT")]
    public async Task A_journal_that_the_server_keeps_from_ending_the_transaction_rolls_the_merge_back(string statement)
    {
        await Database.ExecuteAsync("CREATE TABLE notes (note text)");
        await Database.ExecuteAsync("CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'");
        await Database.ExecuteAsync("CREATE PROCEDURE rolls_back() LANGUAGE plpgsql AS 'BEGIN ROLLBACK; END'");
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        var merger = Database.MergerWith(new Journal((_, _) => [new(statement)]));

        await MergeFails.WithAsync(MergeFails.StoreError, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData("SAVEPOINT a", "INSERT INTO notes VALUES ('undone')", "ROLLBACK TO SAVEPOINT a")]
    [InlineData("SAVEPOINT a", "INSERT INTO notes VALUES ('undone')", "ROLLBACK WORK TO a")]
    [InlineData("SAVEPOINT a", "INSERT INTO notes VALUES ('undone')", "ROLLBACK TRANSACTION TO SAVEPOINT a")]
    [InlineData("SAVEPOINT a", "INSERT INTO notes VALUES ('kept')", "RELEASE SAVEPOINT a")]
    [InlineData("SAVEPOINT a", "SAVEPOINT b", "ROLLBACK TO SAVEPOINT a")]
    [InlineData("SAVEPOINT a")]
    [InlineData("BEGIN")]
    [InlineData("START TRANSACTION")]
    [InlineData("DO 'BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END'")]
    [InlineData("DO 'BEGIN RAISE WARNING ''look''; END'")]
    public async Task A_journal_that_leaves_the_transaction_alone_is_committed(params string[] statements)
    {
        await Database.ExecuteAsync("CREATE TABLE notes (note text)");
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(new Journal((_, _) => statements.Select(static sql => new NpgsqlBatchCommand(sql))));

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.Equal(statements.Contains("RELEASE SAVEPOINT a") ? 1 : 0, await Database.ScalarAsync<long>("SELECT count(*) FROM notes"));
    }

    [Theory]
    [InlineData(Fails, true)]
    [InlineData("SELECT 1", false)]
    public async Task An_error_barrier_that_is_set_after_the_command_was_handed_over_hides_no_failure(string statement, bool fails)
    {
        var merger = Database.MergerWith(new Journal((_, _) => Late()));

        var failure = await AssertTruthAsync(merger);

        Assert.True(!fails || failure is not null);

        IEnumerable<NpgsqlBatchCommand> Late()
        {
            var command = new NpgsqlBatchCommand(statement);
            yield return command;
            command.AppendErrorBarrier = true;
        }
    }

    [Theory]
    [InlineData(Fails)]
    [InlineData("SELECT 1")]
    public async Task An_error_barrier_that_a_second_journal_sets_on_a_command_of_the_first_hides_no_failure(string statement)
    {
        var shared = new NpgsqlBatchCommand(statement);
        var merger = Database.MergerWith(
            new Journal((_, _) => [shared]),
            new Journal((_, _) =>
            {
                shared.AppendErrorBarrier = true;
                return [];
            }));

        var failure = await AssertTruthAsync(merger);

        Assert.True(statement != Fails || failure is not null);
    }

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("ROLLBACK")]
    [InlineData("ROLLBACK AND CHAIN")]
    public async Task A_command_whose_text_changes_after_it_was_handed_over_is_noticed_as_well(string statement)
    {
        var merger = Database.MergerWith(new Journal((_, _) => Late()));

        Assert.NotNull(await AssertTruthAsync(merger));

        IEnumerable<NpgsqlBatchCommand> Late()
        {
            var command = new NpgsqlBatchCommand("SELECT 1");
            yield return command;
            command.CommandText = statement;
        }
    }

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("END WORK")]
    [InlineData("ABORT")]
    [InlineData("ROLLBACK")]
    [InlineData("Rollback Transaction")]
    [InlineData("ROLLBACK AND CHAIN")]
    [InlineData("; ; commit")]
    [InlineData("-- audit\r/* of /* both */ */ COMMIT")]
    [InlineData("PREPARE TRANSACTION 'merge'")]
    [InlineData("SELECT 1", true)]
    public async Task A_command_that_would_divide_the_transaction_is_refused_before_anything_of_the_journals_is_sent(
        string statement, bool hasErrorBarrier = false)
    {
        await Database.ExecuteAsync("CREATE TABLE notes (note text)");
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        var journal = new Journal((_, result) => result.Env.ContainsKey("BAD")
            ? [new("INSERT INTO notes VALUES ('first')"), new(statement) { AppendErrorBarrier = hasErrorBarrier }]
            : []);
        await using var lane = await ProxiedMerger.CreateAsync(Database.ConnectionString, id, journals: journal);
        var process = lane.Proxy.NewestProcess;
        lane.Proxy.Arm(WireFault.BeforeClient(FirstOfSecondFlush, WireAction.Pass));

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: false, () => lane.Merger.MergeAsync(id, Changes(("BAD", "1"))));

        Assert.Contains(
            $"The journal {typeof(Journal)} returned a command {(hasErrorBarrier ? "with an error barrier" : "that ends the transaction")}",
            failure.Message,
            StringComparison.Ordinal);
        Assert.False(lane.Proxy.HasStruck, "The second flush was sent.");

        // The merge up to its UPDATE, and the rollback on the way back to the pool.
        Assert.Equal(2, lane.Proxy.RoundTrips);
        Assert.Equal(before, await Database.FootprintAsync(id));
        Assert.True((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
        Assert.Equal([process], lane.Proxy.Processes);
        Assert.Equal(0, await Database.ScalarAsync<long>("SELECT count(*) FROM notes"));
    }

    [Fact]
    public async Task A_command_that_a_stream_changes_while_it_is_read_is_checked_after_that()
    {
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        var merger = Database.MergerWith(new Journal((_, _) =>
        {
            var harmless = new NpgsqlBatchCommand("SELECT 1");
            var stream = new ActingStream(() => harmless.CommandText = "COMMIT");
            return [harmless, new("SELECT $1::bytea") { Parameters = { new() { Value = stream } } }];
        }));

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: false, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Contains("returned a command that ends the transaction", failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    // Two round trips of a refused merge and none of its second flush prove something only if the same text is seen otherwise.
    [Fact]
    public async Task A_command_that_is_not_refused_is_sent_after_the_marker()
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedMerger.CreateAsync(
            Database.ConnectionString, id, journals: new Journal(static (_, _) => [new("SELECT 1")]));
        lane.Proxy.Arm(WireFault.BeforeClient(FirstOfSecondFlush, WireAction.Pass));

        await lane.Merger.MergeAsync(id, Changes(("A", "1")));

        Assert.True(lane.Proxy.HasStruck);
    }

    [Theory]
    [InlineData(true, "COMMIT")]
    [InlineData(true, "COMMIT", "INSERT INTO notes VALUES ('late')")]
    [InlineData(true, "COMMIT", "BEGIN", "INSERT INTO notes VALUES ('late')")]
    [InlineData(true, "COMMIT AND CHAIN", "INSERT INTO notes VALUES ('late')")]
    [InlineData(false, "ROLLBACK")]
    [InlineData(false, "ROLLBACK", "INSERT INTO notes VALUES ('late')")]
    [InlineData(false, "ROLLBACK", "BEGIN", "INSERT INTO notes VALUES ('late')")]
    [InlineData(false, "ROLLBACK AND CHAIN", "INSERT INTO notes VALUES ('late')")]
    public async Task A_transaction_that_ends_past_the_checks_has_lost_the_marker_so_COMMIT_is_skipped_and_the_outcome_is_unknown(
        bool isCommitted, params string[] statements)
    {
        await Database.ExecuteAsync("CREATE TABLE notes (note text)");
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(new Journal((_, _) =>
        {
            NpgsqlBatchCommand[] commands = [.. statements.Select(static sql => new NpgsqlBatchCommand(sql))];
            commands[0].CommandText = "SELECT 1";
            var parameter = new LateParameter(() => commands[0].CommandText = statements[0]);
            return [new("SELECT $1") { Parameters = { parameter } }, .. commands];
        }));

        var failure = await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Contains("A journal ended the transaction", failure.Message, StringComparison.Ordinal);
        Assert.Equal(isCommitted ? """{"A": "1"}""" : "{}", await Database.EnvAsync(id));
        Assert.Equal(0, await Database.ScalarAsync<long>("SELECT count(*) FROM notes"));
        Assert.True((await Database.Merger.MergeAsync(id, Changes(("NEXT", "1")))).Changed);
    }

    [Fact]
    public async Task The_journals_after_one_that_ends_the_transaction_are_not_reported_as_committed()
    {
        await Journal.CreateAuditAsync(Database);
        var merger = Database.MergerWith(new Journal(static (_, _) => [new("ROLLBACK")]), Journal.Audit);

        Assert.NotNull(await AssertTruthAsync(merger));
    }

    // A success says that the merge is there, a store error that it is not, and an unknown outcome neither.
    private async Task<StackEnvMergeException?> AssertTruthAsync(StackEnvMerger merger)
    {
        var id = await Database.InsertAsync();
        StackEnvMergeException? failure = null;
        try
        {
            await merger.MergeAsync(id, Changes(("A", "1")));
        }
        catch (StackEnvMergeException thrown)
        {
            failure = thrown;
        }

        var isCommitted = await Database.EnvAsync(id) is """{"A": "1"}""";
        switch (failure?.ErrorCode)
        {
            case null:
                Assert.True(isCommitted, "The caller was told committed, and nothing is there.");
                break;

            case MergeFails.StoreError:
                Assert.False(isCommitted, $"The caller was told not committed, and it is there: {failure}");
                break;

            default:
                Assert.Equal(MergeFails.OutcomeUnknown, failure.ErrorCode);
                break;
        }

        // The next merge can use the connection.
        Assert.True((await Database.Merger.MergeAsync(id, Changes(("NEXT", "1")))).Changed);
        return failure;
    }

    /// <summary>
    /// Acts when its value is read for the second time: first the library looks for a stream, then the driver writes it, and the texts of
    /// the commands after this one are not written yet.
    /// </summary>
    private sealed class LateParameter(Action act) : NpgsqlParameter
    {
        private int _reads;

        [AllowNull]
        public override object Value
        {
            get
            {
                if (++_reads == 2)
                {
                    act();
                }

                return "value";
            }
            set => base.Value = value;
        }
    }
}
