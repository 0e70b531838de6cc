namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// The server has done its work, and its answer cannot be read or understood. Without a journal the merge is committed, but there is no
/// result to return: an unknown outcome. With a journal COMMIT has not been sent yet: the merge is rolled back.
/// </summary>
public sealed class HalfReadAnswerTests : DatabaseTest
{
    private const string LockedRow = "healthy";
    private const string WrittenRow = "\"A\": \"1\"";

    /// <summary>Which of the two rows is spoiled, and what the client gets in its place.</summary>
    public static TheoryData<string, string, string> Spoiled() => new()
    {
        { "a status that is not UTF-8", LockedRow, "6CE47566|7B7D" },
        { "a stored set that is cut short", LockedRow, "6865616C746879|7B224F4C4422" },
        { "a written set that is cut short", WrittenRow, "7B224122" },
        { "a written set that is not UTF-8", WrittenRow, "7B2241223A22E4227D" },
        { "a written set of no bytes", WrittenRow, "" },
        { "no written set at all", WrittenRow, "NOTHING" },
    };

    [Theory]
    [MemberData(nameof(Spoiled))]
    public async Task What_is_committed_and_cannot_be_read_is_unknown(string what, string row, string columns)
    {
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        await using var lane = await ProxiedAsync(id);
        Spoil(lane.Proxy, row, columns);

        var failure = await MergeFails.WithAsync(
            MergeFails.OutcomeUnknown, isTransient: true, () => lane.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", null))));

        Assert.True(lane.Proxy.HasStruck, what);
        Assert.DoesNotContain("connection was lost", failure.Message, StringComparison.Ordinal);
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.False((await lane.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", null)))).Changed);
    }

    [Theory]
    [MemberData(nameof(Spoiled))]
    public async Task With_a_journal_it_is_not_committed(string what, string row, string columns)
    {
        var id = await Database.InsertAsync("""{"OLD": "o"}""");
        var before = await Database.FootprintAsync(id);
        await using var lane = await ProxiedAsync(id, withJournal: true);
        Spoil(lane.Proxy, row, columns);

        await MergeFails.WithAsync(MergeFails.StoreError, () => lane.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", null))));

        Assert.True(lane.Proxy.HasStruck, what);
        Assert.Equal(before, await Database.FootprintAsync(id));
        Assert.True((await lane.Merger.MergeAsync(id, Changes(("A", "1"), ("OLD", null)))).Changed);
    }

    // The driver reports a missing message with a plain System.Exception.
    [Theory]
    [InlineData(WireAction.Drop)]
    [InlineData(WireAction.Close)]
    public async Task An_answer_of_which_one_message_or_the_rest_is_missing_is_transient(WireAction missing)
    {
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);
        await using var lane = await ProxiedAsync(id, withJournal: true);
        lane.Proxy.Arm(WireFault.BeforeServer("BEGIN", missing));

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.True(lane.Proxy.HasStruck);
        Assert.Equal(before, await Database.FootprintAsync(id));
        Assert.True((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    // Only this one message is replaced, so the rest of the answer arrives, COMMIT's tag included.
    private static void Spoil(WireProxy proxy, string row, string columns) => proxy.Arm(WireFault.BeforeServer(row, WireAction.Drop) with
    {
        Says = columns == "NOTHING"
            ? []
            : [WireMessage.Row([.. columns.Split('|').Select(Convert.FromHexString)])],
    });
}
