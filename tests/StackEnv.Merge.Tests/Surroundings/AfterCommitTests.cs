using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// COMMIT was carried out, or may have been, and what the server says instead of its tag proves nothing: the outcome is unknown.
/// </summary>
public sealed class AfterCommitTests : DatabaseTest
{
    private const string Warns = "RAISE WARNING 'the worker does not answer'";
    private const string Sleeps = "PERFORM pg_sleep(60)";

    [Theory]
    [InlineData("40003", null, false)]
    [InlineData("40003", null, true)]
    [InlineData("40003", "maybeConvertToAmbiguous", false)]
    [InlineData("08007", null, false)]
    [InlineData("08007", "commitTransaction", false)]
    [InlineData("08007", "commitTransaction", true)]
    public async Task A_commit_that_the_engine_calls_ambiguous_is_unknown(string sqlState, string? routine, bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: withJournal);
        lane.Proxy.SayInsteadOfAndStayOpen("COMMIT", WireMessage.Error(sqlState, routine, text: "result is ambiguous"));

        await UnknownAndThereAsync(lane, id);
    }

    [Theory]
    [InlineData("57014", "ProcessInterrupts", false)]
    [InlineData("57014", "ProcessInterrupts", true)]
    [InlineData("57P01", "ProcessInterrupts", false)]
    [InlineData("57P01", "ProcessInterrupts", true)]
    [InlineData("40001", "RemoteCommit", false)]
    [InlineData("55P03", "ProcSleep", false)]
    public async Task An_error_after_a_warning_within_COMMIT_is_unknown(string sqlState, string routine, bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: withJournal);
        // One of each of two workers.
        var warning = WireMessage.Warning("08006", "HandleRemoteTransactionConnectionError");
        if (sqlState == PostgresErrorCodes.AdminShutdown)
        {
            lane.Proxy.SayInsteadOf("COMMIT", warning, warning, WireMessage.Fatal(sqlState, routine));
        }
        else
        {
            lane.Proxy.SayInsteadOfAndStayOpen("COMMIT", warning, warning, WireMessage.Error(sqlState, routine));
        }

        var failure = await UnknownAndThereAsync(lane, id);

        Assert.Contains($"The server reported SQLSTATE {sqlState} while it was being committed", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_warning_within_COMMIT_and_then_nothing_until_the_time_limit_is_unknown(bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, TimeSpan.FromMilliseconds(1), withJournal);
        lane.Proxy.Arm(WireFault.BeforeServer("COMMIT", WireAction.Silence) with { Says = [WireMessage.Warning("08006")] });

        await UnknownAndThereAsync(lane, id);
    }

    [Theory]
    [InlineData("token", "")]
    [InlineData("token", "-c client_min_messages=error")]
    [InlineData("pg_cancel_backend", "")]
    [InlineData("pg_cancel_backend", "-c client_min_messages=error")]
    [InlineData("pg_terminate_backend", "")]
    [InlineData("time limit", "")]
    public async Task A_real_commit_that_warns_and_is_then_interrupted_is_unknown(string how, string options)
    {
        await Database.ExecuteAsync(Trigger.InCommit($"{Warns}; {Sleeps}"));
        var id = await Database.InsertAsync();

        var failure = await InterruptAsync(id, how, options);

        Assert.Equal(MergeFails.OutcomeUnknown, Assert.IsAssignableFrom<StackEnvMergeException>(failure).ErrorCode);
    }

    [Theory]
    [InlineData("token", false)]
    [InlineData("pg_cancel_backend", false)]
    [InlineData("pg_terminate_backend", false)]
    [InlineData("token", true)]
    [InlineData("pg_cancel_backend", true)]
    public async Task Without_a_warning_within_COMMIT_an_interrupted_commit_is_not_committed(string how, bool warnsBeforeCommit)
    {
        await Database.ExecuteAsync(Trigger.InCommit(Sleeps));
        if (warnsBeforeCommit)
        {
            await Database.ExecuteAsync($"CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {Warns}; RETURN NEW; END $$");
            await Database.ExecuteAsync("CREATE TRIGGER warn BEFORE UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION warn()");
        }

        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);

        var failure = await InterruptAsync(id, how, options: "");

        if (how == "token")
        {
            Assert.IsType<OperationCanceledException>(failure);
        }
        else
        {
            Assert.Equal(MergeFails.StoreError, Assert.IsAssignableFrom<StackEnvMergeException>(failure).ErrorCode);
        }

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    // What ends a session within COMMIT cannot be had from a server at will. Here it refuses COMMIT, and the client is told of an end.
    [Theory]
    [InlineData("57P01", false)]
    [InlineData("57P01", true)]
    [InlineData("57P05", false)]
    [InlineData("57P05", true)]
    [InlineData("25P03", false)]
    [InlineData("25P03", true)]
    [InlineData("25P04", false)]
    [InlineData("25P04", true)]
    public async Task A_session_that_an_interrupt_ends_within_COMMIT_is_not_committed(string sqlState, bool withJournal)
    {
        const string refusal = "refused within COMMIT";
        await Database.ExecuteAsync(Trigger.InCommit($"RAISE EXCEPTION '{refusal}'"));
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        await using var lane = await ProxiedAsync(id, withJournal: withJournal);
        lane.Proxy.SayInsteadOf(refusal, WireMessage.Fatal(sqlState, "ProcessInterrupts"));

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.True(lane.Proxy.HasStruck);
        Assert.Equal(sqlState, Assert.IsType<StackEnvStoreException>(failure).SqlState);
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData("57P01", "quickdie")]
    [InlineData("57P05", "ProcessClientReadInterrupt")]
    [InlineData("25P03", "PostgresMain")]
    [InlineData("25P04", "commitTransaction")]
    [InlineData("57P02", "ProcessInterrupts")]
    [InlineData("57P04", "ProcessInterrupts")]
    [InlineData("40001", "ProcessInterrupts")]
    public async Task Any_other_end_of_the_session_within_COMMIT_is_unknown(string sqlState, string routine)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id);
        lane.Proxy.SayInsteadOf("COMMIT", WireMessage.Fatal(sqlState, routine));

        await UnknownAndThereAsync(lane, id);
    }

    [Theory]
    [InlineData("57P02", "ProcessInterrupts")]
    [InlineData("53200", "AllocSetAlloc")]
    public async Task An_end_of_the_session_that_proves_nothing_is_unknown_also_if_it_is_said_before_COMMIT(
        string sqlState, string routine)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id);
        lane.Proxy.SayInsteadOf("UPDATE 1", WireMessage.Fatal(sqlState, routine));

        await UnknownAndThereAsync(lane, id);
    }

    [Theory]
    [InlineData("23502", false)]
    [InlineData("23503", false)]
    [InlineData("23505", false)]
    [InlineData("23505", true)]
    [InlineData("23514", true)]
    [InlineData("P0001", false)]
    [InlineData("P0001", true)]
    [InlineData("P0002", false)]
    public async Task A_constraint_or_a_trigger_that_refuses_COMMIT_after_a_warning_is_not_committed(string sqlState, bool withJournal)
    {
        await Database.ExecuteAsync(Trigger.InCommit($"{Warns}; RAISE EXCEPTION SQLSTATE '{sqlState}'"));
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        var merger = withJournal ? Database.MergerWith(Journal.Silent) : Database.Merger;

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: false, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(sqlState, Assert.IsType<StackEnvStoreException>(failure).SqlState);
        Assert.Contains("COMMIT was refused", failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData("23505", false)]
    [InlineData("P0001", true)]
    public async Task A_refusal_of_COMMIT_that_is_followed_by_a_lost_connection_is_unknown(string sqlState, bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: withJournal);
        lane.Proxy.SayInsteadOf("COMMIT", WireMessage.Error(sqlState, "exec_stmt_raise"));

        await UnknownAndThereAsync(lane, id);
    }

    [Fact]
    public async Task A_journals_warning_does_not_make_an_interrupted_commit_unknown()
    {
        await Database.ExecuteAsync(Trigger.InCommit(Sleeps));
        var id = await Database.InsertAsync();

        var failure = await InterruptAsync(
            id, "pg_cancel_backend", options: "", new Journal(static (_, _) => [new("DO 'BEGIN RAISE WARNING ''look''; END'")]));

        Assert.Equal(MergeFails.StoreError, Assert.IsAssignableFrom<StackEnvMergeException>(failure).ErrorCode);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_warning_within_COMMIT_and_its_tag_is_committed(bool withJournal)
    {
        await Database.ExecuteAsync(Trigger.InCommit(Warns));
        var id = await Database.InsertAsync();
        var merger = withJournal ? Database.MergerWith(Journal.Silent) : Database.Merger;

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    private async Task<StackEnvMergeException> UnknownAndThereAsync(ProxiedMerger lane, Guid id)
    {
        var failure = await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        await lane.Proxy.Struck.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.False((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
        return failure;
    }

    // Waits until COMMIT sleeps, ends that in one of the ways, and returns what the caller gets.
    private async Task<Exception?> InterruptAsync(Guid id, string how, string options, params IStackEnvMergeJournal[] journals)
    {
        await using var dataSource = Database.DataSourceWith(settings => (settings.Options, settings.CancellationTimeout) = (options, 500));
        var merger = new StackEnvMerger(
            dataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(how == "time limit" ? 1 : 3_000) }, journals: journals);
        using var caller = new CancellationTokenSource();
        var merging = merger.MergeAsync(id, Changes(("A", "1")), caller.Token);
        const string sleeper = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = $1";
        int process;
        while ((process = await Database.ScalarAsync<int>(sleeper, Database.Schema)) == 0)
        {
            Assert.False(merging.IsCompleted, "The merge did not come to its COMMIT.");
            await Task.Delay(5);
        }

        switch (how)
        {
            case "token":
                await caller.CancelAsync();
                break;

            case "pg_cancel_backend" or "pg_terminate_backend":
                await Database.ScalarAsync<bool>($"SELECT {how}($1)", process);
                break;
        }

        return await Record.ExceptionAsync(() => merging.WaitAsync(TimeSpan.FromSeconds(60)));
    }
}
