using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A pooler that drains or fails has passed the batch on, keeps the server's answer to itself, and speaks in its own name. Its SQLSTATE is
/// one that the server uses too; only the server names the routine that raised it.
/// </summary>
public sealed class PoolerTests : DatabaseTest
{
    private static readonly string[] SqlStates =
        ["57P01", "57P03", "57P05", "53300", "53200", "25P03", "25P04", "08P01", "08006", "XX000", "58000", "57014", "55P03"];

    public static TheoryData<string, string, bool> EverywhereAndEverything()
    {
        var data = new TheoryData<string, string, bool>();
        foreach (var sqlState in SqlStates)
        {
            foreach (var place in new[] { "", "healthy", "COMMIT" })
            {
                data.Add(sqlState, place, false);
                data.Add(sqlState, place, true);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(EverywhereAndEverything))]
    public async Task What_a_pooler_says_in_place_of_the_answer_is_unknown(string sqlState, string insteadOf, bool staysOpen)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id);
        Say(lane.Proxy, insteadOf, staysOpen, WireMessage.Fatal(sqlState));

        await MergeFails.WithAsync(MergeFails.OutcomeUnknown, isTransient: true, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        await lane.Proxy.Struck.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
        Assert.False((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    // None of them leads to the primary, or each takes a statement for prepared that its session no longer has.
    [Theory]
    [InlineData("BEGIN", "25006", "PreventCommandIfReadOnly", true)]
    [InlineData("healthy", "25006", "PreventCommandIfReadOnly", true)]
    [InlineData("BEGIN", "26000", "FetchPreparedStatement", true)]
    [InlineData("healthy", "26000", "FetchPreparedStatement", true)]
    [InlineData("healthy", "40001", "heap_lock_tuple", false)]
    public async Task What_tells_that_all_pooled_connections_are_useless_closes_them_all(
        string insteadOf, string sqlState, string routine, bool closesAll)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedMerger.CreateAsync(
            Database.ConnectionString, id, configure: static settings => settings.MaxPoolSize = 2);
        var before = await BothProcessesAsync();
        Say(lane.Proxy, insteadOf, staysOpen: true, WireMessage.Error(sqlState, routine));

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        var after = await BothProcessesAsync();
        Assert.Equal(closesAll ? [] : before.Order(), before.Intersect(after).Order());

        async Task<int[]> BothProcessesAsync()
        {
            await using var one = await lane.DataSource.OpenConnectionAsync();
            await using var other = await lane.DataSource.OpenConnectionAsync();
            return [one.ProcessID, other.ProcessID];
        }
    }

    [Theory]
    [InlineData("57P01", true)]
    [InlineData("58000", true)]
    [InlineData("57014", true)]
    [InlineData("XX000", false)]
    [InlineData("42501", true)]
    public async Task An_ERROR_without_a_routine_is_unknown(string sqlState, bool staysOpen)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id);
        Say(lane.Proxy, "", staysOpen, WireMessage.Error(sqlState));

        await MergeFails.WithAsync(MergeFails.OutcomeUnknown, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData("57P01", false)]
    [InlineData("57P01", true)]
    [InlineData("53300", false)]
    [InlineData("08P01", true)]
    [InlineData("58000", false)]
    public async Task With_a_journal_it_is_unknown_in_the_batch_with_COMMIT(string sqlState, bool staysOpen)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: true);
        Say(lane.Proxy, "COMMIT", staysOpen, WireMessage.Fatal(sqlState));

        await MergeFails.WithAsync(MergeFails.OutcomeUnknown, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData("57P01", false)]
    [InlineData("57P01", true)]
    [InlineData("53300", false)]
    [InlineData("25P03", true)]
    [InlineData("08P01", false)]
    [InlineData("XX000", true)]
    [InlineData("58000", false)]
    [InlineData("55P03", true)]
    public async Task With_a_journal_it_is_not_committed_in_the_batch_before_COMMIT(string sqlState, bool staysOpen)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: true);
        Say(lane.Proxy, "", staysOpen, WireMessage.Fatal(sqlState));

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("{}", await Database.EnvAsync(id));
        Assert.True((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_the_server_itself_says_while_the_merge_waits_for_its_row_is_not_committed(bool withJournal)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id, withJournal: withJournal);
        await using var holder = await Database.LockAsync(id);
        var before = await Database.FootprintAsync(id);
        var merging = lane.Merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);

        await Database.ScalarAsync<bool>("SELECT pg_terminate_backend($1)", lane.Proxy.NewestProcess);

        var failure = await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merging);
        Assert.Equal(PostgresErrorCodes.AdminShutdown, ((StackEnvStoreException)failure).SqlState);
        await holder.DisposeAsync();
        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Theory]
    [InlineData("57P01")]
    [InlineData("53100")]
    [InlineData("25P03")]
    public async Task What_the_server_raises_in_the_UPDATE_is_not_committed(string sqlState)
    {
        await Database.ExecuteAsync(Trigger.On($"RAISE EXCEPTION SQLSTATE '{sqlState}'"));
        var id = await Database.InsertAsync();

        await MergeFails.WithAsync(MergeFails.StoreError, () => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Theory]
    [InlineData("57P01")]
    [InlineData("08P01")]
    public async Task A_poolers_message_after_the_commits_tag_changes_nothing(string sqlState)
    {
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id);
        lane.Proxy.Arm(WireFault.AfterServer("COMMIT", WireAction.Close) with { Says = [WireMessage.Fatal(sqlState)] });

        Assert.True((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    private static void Say(WireProxy proxy, string insteadOf, bool staysOpen, WireMessage message)
    {
        if (staysOpen)
        {
            proxy.SayInsteadOfAndStayOpen(insteadOf, message);
        }
        else
        {
            proxy.SayInsteadOf(insteadOf, message);
        }
    }
}
