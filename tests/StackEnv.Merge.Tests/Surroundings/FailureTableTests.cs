using System.Text;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// The whole of what a caller gets when the server fails a merge, or a pooler does in its place: as a table, and in words. Other tests show
/// that the verdicts are true; these show each change of one.
/// </summary>
/// <remarks>
/// Retry and fails are both <see cref="StackEnvStoreException"/>, and only the first is transient. A star means that the text of the
/// message is shown.
/// </remarks>
public sealed class FailureTableTests : DatabaseTest
{
    private const string LockedRow = "healthy";
    private const string JournalsRow = "from the journal";
    private const string Set = "SET";
    private const string Commit = "COMMIT";
    private const string Value = "written";
    private const string OfRow = "while updating tuple (0,5) in relation \"stacks\"";
    private const string OfFunction = "PL/pgSQL function act() line 1 at PERFORM";

    // What the server's answer at each step contains; null stands for the value that the merge writes. Of three SETs the last is taken: no
    // answer like it comes after it, so what is left of a turn cannot be taken for the next one's.
    private static readonly (string Step, string? Answer, bool WithJournal)[] Steps =
    [
        ("BEGIN", "BEGIN", false),
        ("SET", Set, false),
        ("read", LockedRow, false),
        ("UPDATE", null, false),
        ("COMMIT", Commit, false),
        ("read", LockedRow, true),
        ("journal", JournalsRow, true),
        ("CLOSE", "CLOSE", true),
        ("COMMIT", Commit, true),
    ];

    private static readonly string[] States =
    [
        "08006", "08007", "08P01", "0A000", "22P02", "23505", "25006", "25P03", "25P04", "26000", "28000", "34000", "3D000", "40001",
        "40003", "40P01", "42501", "42P01", "53100", "53300", "55006", "55P03", "57014", "57P01", "57P02", "57P04", "57P05", "58000",
        "58030", "P0001", "XX000",
    ];

    private static readonly string[] FewStates =
        ["08P01", "23505", "25006", "25P03", "40001", "42P01", "53300", "55P03", "57014", "57P01"];

    private static readonly (string Who, WireMessage Says, bool Ends)[] Messages =
    [
        .. States.Select(static state => ($"server, ERROR {state}", WireMessage.Error(state, "SomeRoutine"), false)),
        .. States.Select(static state => ($"interrupt, FATAL {state}", WireMessage.Fatal(state, "ProcessInterrupts"), true)),
        .. FewStates.Select(static state => ($"server, FATAL {state}", WireMessage.Fatal(state, "SomeRoutine"), true)),
        .. FewStates.Select(static state => ($"pooler, ERROR {state}", WireMessage.Error(state), false)),
        .. FewStates.Select(static state => ($"pooler, FATAL {state}", WireMessage.Fatal(state), true)),
        ("server, PANIC XX000", WireMessage.Panic("XX000", "ProcessInterrupts"), true),
        ("55P03 of the row", WireMessage.Error("55P03", "ProcessInterrupts", OfRow), false),
        ("55P03 of a function", WireMessage.Error("55P03", "ProcessInterrupts", OfFunction), false),
        ("55P03 of both", WireMessage.Error("55P03", "ProcessInterrupts", $"{OfRow}\n{OfFunction}"), false),
        ("55P03 of a worker", WireMessage.Error("55P03", "ReportResultError", "while executing command on localhost:1"), false),
        ("55P03 of a worker's row", WireMessage.Error("55P03", "ReportResultError", $"{OfRow}\nwhile executing it"), false),
        ("57014 of the row", WireMessage.Error("57014", "ProcessInterrupts", OfRow), false),
        ("25006 of a function", WireMessage.Error("25006", "PreventCommandIfReadOnly", OfFunction), false),
        ("26000 of a function", WireMessage.Error("26000", "FetchPreparedStatement", OfFunction), false),
        ("40001 of a function", WireMessage.Error("40001", "exec_stmt_raise", OfFunction), false),
        ("0A000 at the text", WireMessage.Error("0A000", "transformStmt", position: 8), false),
        ("22P02 at the text", WireMessage.Error("22P02", "uuid_in", position: 8), false),
        ("3F000 at the text", WireMessage.Error("3F000", "get_namespace_oid", position: 8), false),
        ("42P01 at the text", WireMessage.Error("42P01", "parserOpenTable", position: 8), false),
        ("42P01 at a function's text", WireMessage.Error("42P01", "parserOpenTable", OfFunction, position: 8), false),
        ("42P01 at no text", WireMessage.Error("42P01", "parserOpenTable"), false),
        ("42703 at the text", WireMessage.Error("42703", "errorMissingColumn", position: 8), false),
        ("42501 of aclcheck_error", WireMessage.Error("42501", "aclcheck_error"), false),
        ("42501 of check_enable_rls", WireMessage.Error("42501", "check_enable_rls"), false),
        ("42501 of a policy", WireMessage.Error("42501", "ExecWithCheckOptions"), false),
        ("42501 of a function", WireMessage.Error("42501", "aclcheck_error", OfFunction), false),
        ("55000 of the replica identity", WireMessage.Error("55000", "CheckCmdReplicaIdentity"), false),
        ("55000 of anything else", WireMessage.Error("55000", "currval_oid"), false),
        ("0A000 of Citus's planner", WireMessage.Error("0A000", "Report", file: "multi_router_planner.c"), false),
        ("0A000 of another file", WireMessage.Error("0A000", "Report", file: "multi_router_planner.c.c"), false),
        ("XX000 of Citus's planner", WireMessage.Error("XX000", "Report", file: "multi_router_planner.c"), false),
    ];

    private static readonly (string What, bool WithJournal, Action<WireProxy> Happens)[] Mishaps =
    [
        ("The connection is lost with BEGIN", false, static proxy => proxy.Arm(WireFault.BeforeServer("BEGIN", WireAction.Close))),
        ("The connection is lost with COMMIT", false, static proxy => proxy.Arm(WireFault.BeforeServer(Commit, WireAction.Close))),
        ("The connection is lost with a journal's statement", true,
            static proxy => proxy.Arm(WireFault.BeforeServer(JournalsRow, WireAction.Close))),
        ("The server ends BEGIN", false, static proxy => proxy.SayInsteadOfAndStayOpen("BEGIN", WireMessage.Error("53200", "Alloc"))),
        ("The server ends the session with the batch", false,
            static proxy => proxy.SayInsteadOf("BEGIN", WireMessage.Fatal("57P01", "ProcessInterrupts"))),
        ("The server ends COMMIT", false, static proxy => proxy.SayInsteadOf(Commit, WireMessage.Fatal("57P02", "quickdie"))),
        ("The server refuses COMMIT", false,
            static proxy => proxy.SayInsteadOfAndStayOpen(Commit, WireMessage.Error("23505", "_bt_check_unique"))),
        ("COMMIT waits for too long", false,
            static proxy => proxy.SayInsteadOfAndStayOpen(Commit, WireMessage.Error("55P03", "ProcessInterrupts"))),
        ("A function within COMMIT waits for too long", false,
            static proxy => proxy.SayInsteadOfAndStayOpen(Commit, WireMessage.Error("55P03", "ProcessInterrupts", OfFunction))),
        ("COMMIT no longer waits for the standby", false,
            static proxy => proxy.SayBefore(
                Commit, WireMessage.Warning("01000", "SyncRepWaitForLSN"), WireMessage.Warning("01000", "SyncRepWaitForLSN"))),
        ("The server is a standby", false,
            static proxy => proxy.SayInsteadOfAndStayOpen("BEGIN", WireMessage.Error("25006", "PreventCommandIfReadOnly"))),
        ("A pooler answers the batch", false, static proxy => proxy.SayInsteadOf("BEGIN", WireMessage.Fatal("08P01"))),
        ("A pooler answers before COMMIT is sent", true, static proxy => proxy.SayInsteadOf("BEGIN", WireMessage.Fatal("08P01"))),
        ("A pooler answers COMMIT", true, static proxy => proxy.SayInsteadOf(Commit, WireMessage.Fatal("08P01"))),
        ("The server refuses a journal's statement", true,
            static proxy => proxy.SayInsteadOfAndStayOpen(JournalsRow, WireMessage.Error("23505", "_bt_check_unique"))),
        ("The server does not find a table of the journal's", true, static proxy => proxy.SayInsteadOfAndStayOpen(
            JournalsRow, WireMessage.Error("42P01", "parserOpenTable", position: 8, text: "relation \"audit\" does not exist"))),
        ("The marker is gone", true,
            static proxy => proxy.SayInsteadOfAndStayOpen("CLOSE", WireMessage.Error("34000", "PerformPortalClose"))),
        ("The table is gone", false, static proxy => proxy.SayInsteadOfAndStayOpen(
            LockedRow, WireMessage.Error("42P01", "parserOpenTable", position: 8, text: "relation \"stacks\" does not exist"))),
        ("The UPDATE may not be done", false, static proxy => proxy.SayInsteadOfAndStayOpen(
            Value, WireMessage.Error("42501", "aclcheck_error", text: "permission denied for table stacks"))),
        ("A function of the UPDATE may not be called", false, static proxy => proxy.SayInsteadOfAndStayOpen(
            Value, WireMessage.Error("42501", "aclcheck_error", OfFunction, text: "permission denied for function hidden"))),
        ("The row is locked for too long", false,
            static proxy => proxy.SayInsteadOfAndStayOpen(LockedRow, WireMessage.Error("55P03", "ProcessInterrupts"))),
        ("The row is locked and not shown", false, static proxy => proxy.Arm(WireFault.BeforeServer(LockedRow, WireAction.Drop))),
        ("Two rows are locked", false,
            static proxy => proxy.SayBefore(LockedRow, WireMessage.Row("healthy"u8.ToArray(), "{}"u8.ToArray()))),
        ("The row is written and not returned", false, static proxy => proxy.Arm(WireFault.BeforeServer(Value, WireAction.Drop))),
        ("What is returned is no set", false, static proxy => proxy.Arm(WireFault.BeforeServer(Value, WireAction.Drop) with
        {
            Says = [WireMessage.Row("[]"u8.ToArray())],
        })),
        ("What is returned cannot be read", false, static proxy => proxy.Arm(WireFault.BeforeServer(Value, WireAction.Drop) with
        {
            Says = [WireMessage.Row("{"u8.ToArray())],
        })),
        ("What is returned cannot be read before COMMIT is sent", true,
            static proxy => proxy.Arm(WireFault.BeforeServer(Value, WireAction.Drop) with { Says = [WireMessage.Row("{"u8.ToArray())] })),
    ];

    [Fact]
    public async Task What_each_message_becomes()
    {
        var columns = await Task.WhenAll(Steps.Select(step => ColumnAsync(step.Answer, step.WithJournal)));

        var table = new StringBuilder();
        Append("", Steps.Select(static step => step.WithJournal ? "with a" : ""));
        Append("The answer at", Steps.Select(static step => step.WithJournal ? "journal:" : ""));
        Append("is instead:", Steps.Select(static step => step.Step));
        foreach (var (row, message) in Messages.Index())
        {
            Append(message.Who, columns.Select(column => column[row]));
        }

        await Verifier.Verify(table.ToString());

        void Append(string head, IEnumerable<string> cells) =>
            table.Append($"{head,-32}{string.Concat(cells.Select(static cell => $"{cell,-9}"))}".TrimEnd()).Append('\n');
    }

    [Fact]
    public async Task The_words_of_each_failure()
    {
        var words = new StringBuilder();
        foreach (var (what, withJournal, happens) in Mishaps)
        {
            var stack = await Database.InsertAsync();
            await using var lane = await LaneAsync(stack, withJournal);
            happens(lane.Proxy);

            var failure = await Record.ExceptionAsync(() => lane.Merger.MergeAsync(stack, Changes(("A", Value))));

            Assert.True(lane.Proxy.HasStruck, what);
            words.Append($"{what}\n{failure?.GetType().Name}");
            words.Append(failure is StackEnvMergeException { IsTransient: true } ? ", transient" : "");
            words.Append(failure is StackEnvStoreException { SqlState: { } sqlState } ? $", SQLSTATE {sqlState}" : "");
            words.Append(failure?.InnerException is { } inner ? $", with {inner.GetType().Name}" : "");
            words.Append($"\n{failure?.Message.Replace($"{stack}", "<stack>", StringComparison.Ordinal)}\n\n");
        }

        await Verifier.Verify(words.ToString());
    }

    private static async Task<string> CodeAsync(Func<Task<MergeResult>> merge) => await Record.ExceptionAsync(merge) switch
    {
        StackEnvStoreException failure => (failure.IsTransient ? "retry" : "fails") + (failure.Message.Contains(
            $": {WireMessage.Text}", StringComparison.Ordinal) ? "*" : ""),
        LockTimeoutException => "locked",
        MergeOutcomeUnknownException => "unknown",
        var other => other?.GetType().Name ?? "success",
    };

    private async Task<string[]> ColumnAsync(string? answer, bool withJournal)
    {
        var stack = await Database.InsertAsync();
        await using var lane = await LaneAsync(stack, withJournal);
        var codes = new string[Messages.Length];
        foreach (var (row, (who, says, ends)) in Messages.Index())
        {
            var value = $"written in turn {row}.";
            lane.Proxy.Arm(WireFault.BeforeServer(answer ?? value, ends ? WireAction.HalfClose : WireAction.DropUntilReady) with
            {
                Message = answer == Set ? 2 : 0,
                Says = [says],
            });
            codes[row] = await CodeAsync(() => lane.Merger.MergeAsync(stack, Changes(("A", value))));
            Assert.True(lane.Proxy.HasStruck, who);
        }

        return codes;
    }

    private Task<ProxiedMerger> LaneAsync(Guid stack, bool withJournal) => ProxiedMerger.CreateAsync(
        Database.ConnectionString,
        stack,
        journals: withJournal ? [new Journal(static (_, _) => [new($"SELECT '{JournalsRow}'")])] : []);
}
