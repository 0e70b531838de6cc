using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A merge never writes into two rows and never shows another tenant's, also where no index can prove that the key is unique.
/// </summary>
public sealed class TenancyTests : SurroundingsTest
{
    public static TheoryData<string, string> Relations => new()
    {
        { "a table", $"CREATE TABLE app ({Columns}, UNIQUE (team_id, slug))" },
        { "a view", $"CREATE TABLE base ({Columns}, UNIQUE (team_id, slug)); CREATE VIEW app AS SELECT * FROM base" },
        {
            "a view that is a security barrier",
            $"CREATE TABLE base ({Columns}, UNIQUE (team_id, slug)); CREATE VIEW app WITH (security_barrier) AS SELECT * FROM base WHERE " +
            "status <> 'failed'"
        },
        {
            "partitions by team",
            $"CREATE TABLE app ({Columns}, UNIQUE (team_id, slug)) PARTITION BY LIST (team_id); CREATE TABLE part_a PARTITION OF app FOR " +
            $"VALUES IN ('{TeamA}'); CREATE TABLE part_b PARTITION OF app DEFAULT; CREATE UNIQUE INDEX ON part_a (slug); CREATE UNIQUE " +
            "INDEX ON part_b (slug)"
        },
        {
            "partitions by status",
            $"CREATE TABLE app ({Columns}, UNIQUE (id, status)) PARTITION BY LIST (status); CREATE TABLE part PARTITION OF app DEFAULT"
        },
        {
            "heirs",
            $"CREATE TABLE app ({Columns}, PRIMARY KEY (slug)); CREATE TABLE heir (PRIMARY KEY (slug)) INHERITS (app); CREATE RULE " +
            $"bequeath AS ON INSERT TO app WHERE NEW.team_id = '{TeamB}' DO INSTEAD INSERT INTO heir VALUES (NEW.*)"
        },
    };

    [Theory]
    [MemberData(nameof(Relations))]
    public async Task Two_teams_with_the_same_name_are_both_left_alone(string what, string ddl)
    {
        foreach (var journals in new IStackEnvMergeJournal[][] { [], [Journal.Silent] })
        {
            foreach (var status in new[] { "healthy", "deleting" })
            {
                await Database.ExecuteAsync(ddl);
                await InsertTwinsAsync(status: status);
                var before = await FootprintAsync();

                // Something to change, nothing to change, and something to delete.
                Dictionary<string, string?>[] several =
                    [Changes(("A", "1")), Changes(("A", "0")), Changes(("A", "")), Changes(("A", "1"), ("OLD", ""))];
                foreach (var changes in several)
                {
                    var failure = await Record.ExceptionAsync(() => App(journals: journals).MergeAsync("shop", changes));

                    Assert.True(
                        failure is StackEnvMergeException { IsTransient: false },
                        $"{what}, {status}: {failure?.ToString() ?? "a success, with the other team's set in it"}");
                    var refusal = Assert.IsType<StackEnvMergeException>(failure, exactMatch: false);
                    Assert.True(
                        before == await FootprintAsync(), $"{what}, {status}: it was written, and the caller was told {refusal.Message}");
                    Assert.DoesNotContain(Secret, refusal.ToString(), StringComparison.Ordinal);
                    Assert.NotEqual("stack_deleting", refusal.ErrorCode);
                }

                await Database.ExecuteAsync($"DROP SCHEMA {Database.Schema} CASCADE; CREATE SCHEMA {Database.Schema}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Relations))]
    public async Task The_team_that_is_named_gets_its_own_row(string what, string ddl)
    {
        await Database.ExecuteAsync(ddl);
        await InsertTwinsAsync();

        var merging = App().MergeAsync(OwnShop, Changes(("A", "1")));
        if (string.Equals(what, "heirs", StringComparison.Ordinal) || string.Equals(what, "partitions by status", StringComparison.Ordinal))
        {
            // No index proves that only one row has this key and owner, so both answers are right.
            await Record.ExceptionAsync(() => merging);
        }
        else
        {
            Assert.True((await merging).Changed);
        }

        Assert.Equal("0", await Database.ScalarAsync<string>("SELECT env_vars->>'A' FROM app WHERE team_id = $1", TeamB));
    }

    [Fact]
    public async Task A_second_row_after_the_unique_index_was_dropped_is_noticed_in_the_answer()
    {
        var log = new FakeLogger<StackEnvMerger>();
        var merger = App(logger: log);
        await DropTheIndexUnderAsync(merger);
        var before = await FootprintAsync();

        var failure = await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync("shop", Changes(("A", "2"))));

        // It is too late to roll back, so the message and the event must show that.
        Assert.NotEqual(before, await FootprintAsync());
        Assert.Equal((true, false), (failure.IsCommitted, failure.IsTransient));
        Assert.DoesNotContain(Secret, failure.ToString(), StringComparison.Ordinal);
        Assert.Contains("committed", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith(
            "must be unique, alone or together with the owner that the merge names: CREATE UNIQUE INDEX CONCURRENTLY ON \"app\" " +
            "(\"slug\");",
            failure.Message,
            StringComparison.Ordinal);
        Assert.DoesNotContain("nothing was written", failure.Message, StringComparison.OrdinalIgnoreCase);
        AssertLastEvent(log, 9, "CommittedAnomaly");

        await AssertRefusedFromThenOnAsync(merger, log);
    }

    [Fact]
    public async Task A_second_row_that_a_merge_without_a_change_finds_is_noticed_and_nothing_is_written()
    {
        var merger = App();
        await DropTheIndexUnderAsync(merger);
        await Database.ExecuteAsync("UPDATE app SET env_vars = '{}'");
        var before = await FootprintAsync();

        var failure = await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync("shop", Changes(("A", null))));

        Assert.Equal(before, await FootprintAsync());
        Assert.False(failure.IsCommitted);
        Assert.Contains("nothing was written", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_a_journal_the_second_row_is_noticed_before_the_commit()
    {
        var log = new FakeLogger<StackEnvMerger>();
        var merger = App(logger: log, journals: [Journal.Silent]);
        await DropTheIndexUnderAsync(merger);
        var before = await FootprintAsync();

        var failure = await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync("shop", Changes(("A", "2"))));

        Assert.Equal(before, await FootprintAsync());
        Assert.Equal((false, false), (failure.IsCommitted, failure.IsTransient));
        Assert.DoesNotContain(Secret, failure.ToString(), StringComparison.Ordinal);
        AssertLastEvent(log, 8, "TableUnsuitable");

        await AssertRefusedFromThenOnAsync(merger, log);
    }

    private static void AssertLastEvent(FakeLogger<StackEnvMerger> log, int id, string name) =>
        Assert.Equal((id, name, LogLevel.Error), (log.LatestRecord.Id.Id, log.LatestRecord.Id.Name, log.LatestRecord.Level));

    // The table passes the merger's check, and then another team's row gets the same key.
    private async Task DropTheIndexUnderAsync(StackEnvMerger merger)
    {
        await CreateAppAsync();
        await Database.ExecuteAsync("CREATE UNIQUE INDEX app_slug ON app (slug)");
        await InsertAppAsync();
        await merger.MergeAsync("shop", Changes(("A", "1")));
        await Database.ExecuteAsync("DROP INDEX app_slug");
        await Database.ExecuteAsync(
            "INSERT INTO app VALUES (gen_random_uuid(), $1, 'shop', 'healthy', $2::jsonb)", TeamB, $$"""{"TOKEN": "{{Secret}}"}""");
    }

    private async Task AssertRefusedFromThenOnAsync(StackEnvMerger merger, FakeLogger<StackEnvMerger> log)
    {
        var before = await FootprintAsync();

        var refusal = await Assert.ThrowsAsync<UnsuitableTableException>(() => merger.MergeAsync("shop", Changes(("A", "3"))));

        Assert.False(refusal.IsCommitted);
        AssertLastEvent(log, 8, "TableUnsuitable");
        Assert.Equal(before, await FootprintAsync());
    }
}
