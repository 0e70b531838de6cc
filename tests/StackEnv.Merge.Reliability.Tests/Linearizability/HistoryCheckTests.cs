namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>That the check of histories finds what a wrong library could tell or do.</summary>
public sealed class HistoryCheckTests
{
    private static readonly StackState First = new(Guid.NewGuid(), "healthy", """{"A":"1"}""", Version: 16);
    private static readonly StackState Second = First with { Env = """{"B":"2"}""", Version = 17 };

    private static readonly MergeRequest SetBAndDeleteA = Request(("A", null), ("B", "2"));
    private static readonly Told Truth = Merged(keysSet: 1, keysDeleted: 1, totalAfter: 1, changed: true);

    [Fact]
    public void A_true_history_is_explained()
    {
        Assert.Empty(Unexplained([Inserted(), By("caller", Second)], Merge(SetBAndDeleteA, Truth)));
    }

    [Theory]
    [InlineData(2, 1, 1, true)]
    [InlineData(1, 0, 1, true)]
    [InlineData(1, 1, 2, true)]
    [InlineData(1, 1, 1, false)]
    public void A_wrong_count_is_found(int keysSet, int keysDeleted, int totalAfter, bool changed)
    {
        var told = Merged(keysSet, keysDeleted, totalAfter, changed);

        Assert.Single(Unexplained([Inserted(), By("caller", Second)], Merge(SetBAndDeleteA, told)));
    }

    [Theory]
    [InlineData("", "B", "A")]
    [InlineData("B", "A", "")]
    [InlineData("A", "", "B")]
    public void A_wrong_name_is_found(string added, string updated, string deleted)
    {
        var told = Told.Merged(
            changed: true, 1, 1, 1, EnvText.Parse(Second.Env), (Names(added), Names(updated), Names(deleted)), Second.Version);

        Assert.Single(Unexplained([Inserted(), By("caller", Second)], Merge(SetBAndDeleteA, told)));

        static string[] Names(string name) => name.Length == 0 ? [] : [name];
    }

    [Theory]
    [InlineData(16L)]
    [InlineData(18L)]
    [InlineData(null)]
    public void A_wrong_version_is_found(long? version)
    {
        var told = Told.Merged(changed: true, 1, 1, 1, EnvText.Parse(Second.Env), (["B"], [], ["A"]), version);

        Assert.Single(Unexplained([Inserted(), By("caller", Second)], Merge(SetBAndDeleteA, told)));
    }

    [Theory]
    [InlineData(16)]
    [InlineData(18)]
    public void A_version_that_was_left_or_skipped_is_found(long version)
    {
        Assert.Single(Unexplained([Inserted(), By("caller", Second with { Version = version })], Merge(SetBAndDeleteA, Truth)));
    }

    [Fact]
    public void A_merge_into_another_version_is_found()
    {
        RowVersion[] versions = [Inserted(), By("caller", Second)];

        Assert.Empty(Unexplained(versions, Merge(SetBAndDeleteA with { AtVersion = 16 }, Truth)));
        Assert.Single(Unexplained(versions, Merge(SetBAndDeleteA with { AtVersion = 15 }, Truth)));
    }

    [Fact]
    public void A_false_version_mismatch_is_found()
    {
        var refused = Merge(SetBAndDeleteA with { AtVersion = 15 }, Told.AtAnotherVersion(15, 16));

        Assert.Empty(Unexplained([Inserted()], refused));
        Assert.Single(Unexplained([Inserted()], refused with { Told = Told.AtAnotherVersion(15, 17) }));
        Assert.Single(Unexplained([Inserted()], refused with { Request = SetBAndDeleteA with { AtVersion = 16 } }));
    }

    [Fact]
    public void A_write_that_is_not_in_the_history_is_found()
    {
        Assert.Single(Unexplained([Inserted()], Merge(SetBAndDeleteA, Truth)));
    }

    [Fact]
    public void A_write_that_the_caller_was_not_told_of_is_found()
    {
        Assert.Single(Unexplained(
            [Inserted(), By("caller", Second)],
            Merge(SetBAndDeleteA, new("cancelled")) with { Request = SetBAndDeleteA with { CancelAfter = TimeSpan.Zero } }));
    }

    [Fact]
    public void A_write_that_no_caller_asked_for_is_found()
    {
        Assert.Single(Unexplained([Inserted(), By("caller", Second)]));
    }

    [Fact]
    public void A_lost_key_is_found()
    {
        var lost = Second with { Env = "{}" };

        Assert.Single(Unexplained([Inserted(), By("caller", lost)], Merge(SetBAndDeleteA, Truth)));
        Assert.Single(Unexplained([Inserted(), By("teardown", lost)]));
    }

    [Fact]
    public void A_refusal_by_a_state_that_was_over_before_the_call_is_found()
    {
        RowVersion[] versions = [Inserted(), By("teardown", First with { Status = "deleting" }), By("teardown", First, version: 3)];
        var refused = Merge(SetBAndDeleteA, Told.Deleting("deleting"));

        Assert.Empty(Unexplained(versions, refused));
        Assert.Single(Unexplained(versions, refused with { Earliest = 3, Latest = 3 }));
    }

    [Fact]
    public void A_refusal_by_a_state_that_came_after_the_answer_is_found()
    {
        Assert.Single(Unexplained(
            [Inserted(), By("teardown", First with { Status = "deleting" })],
            Merge(SetBAndDeleteA, Told.Deleting("deleting")) with { Latest = 1 }));
    }

    [Fact]
    public void A_write_onto_a_stack_in_teardown_is_found()
    {
        var deleting = First with { Status = "deleting" };

        Assert.Single(Unexplained(
            [By("teardown", deleting, version: 1), By("caller", deleting with { Env = Second.Env })], Merge(SetBAndDeleteA, Truth)));
    }

    [Fact]
    public void A_lock_timeout_that_came_too_soon_is_found()
    {
        var timedOut = Merge(SetBAndDeleteA, new("lock_timeout"));

        Assert.Single(Unexplained([Inserted()], timedOut));
        Assert.Empty(Unexplained([Inserted()], timedOut with { Elapsed = timedOut.Request.LockTimeout }));
    }

    private static Told Merged(int keysSet, int keysDeleted, int totalAfter, bool changed) => Told.Merged(
        changed, keysSet, keysDeleted, totalAfter, EnvText.Parse(Second.Env), (["B"], [], ["A"]), Second.Version);

    private static MergeRequest Request(params (string Key, string? Value)[] changes) => new(
        "merge", Guid.Empty, Owner: null, ReadsVersion: false, AtVersion: null, changes.ToDictionary(), MaxEnvBytes: 65_536,
        LockTimeout: TimeSpan.FromSeconds(1),
        CancelAfter: null);

    private static Operation Merge(MergeRequest request, Told told) =>
        new("caller", request, told, Earliest: 1, Latest: 3, Elapsed: TimeSpan.Zero);

    private static RowVersion Inserted() => By("teardown", First, version: 1);

    private static RowVersion By(string writer, StackState state, long version = 2) => new(version, writer, state);

    private static IEnumerable<(Operation? Operation, string Text)> Unexplained(RowVersion[] versions, params Operation[] operations) =>
        new HistoryCheck(versions, operations, callers: ["caller"]).Unexplained();
}
