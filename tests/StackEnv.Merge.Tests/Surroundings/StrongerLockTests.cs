using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// Where a unique index holds what a merge writes, the UPDATE needs a stronger lock than the locked read takes: one that waits for
/// transactions that insert child rows. That wait is bounded too, and it deadlocks with none of them.
/// </summary>
public sealed class StrongerLockTests : SurroundingsTest
{
    // A function that changes a whole row: the source of a trigger that calls it names no column.
    private const string Versioned =
        """
        ALTER TABLE stacks ADD version bigint;
        CREATE UNIQUE INDEX ON stacks (id, version);
        CREATE FUNCTION changed(s stacks) RETURNS stacks LANGUAGE plpgsql AS
            'BEGIN s.version := coalesce(s.version, 0) + 1; RETURN s; END';
        """;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Bound = Limit + TimeSpan.FromSeconds(2);

    public static TheoryData<string> Schemas =>
    [
        "CREATE UNIQUE INDEX ON stacks (id, updated_at)",
        "ALTER TABLE stacks ADD UNIQUE (updated_at, id) DEFERRABLE INITIALLY DEFERRED",
        "CREATE UNIQUE INDEX ON stacks (env_vars)",
        "CREATE UNIQUE INDEX by_time ON stacks (id, updated_at); ALTER TABLE stacks REPLICA IDENTITY USING INDEX by_time",
        "ALTER TABLE stacks ADD host text GENERATED ALWAYS AS (env_vars->>'HOST') STORED UNIQUE",
        $"ALTER TABLE stacks ADD host text GENERATED ALWAYS AS (env_vars->>'OTHER') STORED UNIQUE; {Trigger.On("NULL")}",
        $"ALTER TABLE stacks ADD version bigint UNIQUE; {Trigger.On("NEW.version := coalesce(OLD.version, 0) + 1")}",
        $"{Versioned} {Trigger.On("NEW := changed(NEW)")}",
    ];

    /// <summary>Those, and one whose trigger does not show in its own text which column it changes.</summary>
    public static TheoryData<string> SchemasSeenOrNot
    {
        get
        {
            var schemas = new TheoryData<string>();
            foreach (var schema in Schemas)
            {
                schemas.Add(schema);
            }

            schemas.Add($"{Versioned} {Trigger.On("RETURN changed(NEW)")}");
            return schemas;
        }
    }

    /// <summary>Assignments by a BEFORE trigger that its source does not show.</summary>
    public static TheoryData<string> UnseenAssignments =>
    [
        "RETURN changed(NEW)",
        "RETURN jsonb_populate_record(NEW, jsonb_build_object('version', coalesce(OLD.version, 0) + 1))",
        "SELECT coalesce(OLD.version, 0) + 1 INTO STRICT NEW.version",
    ];

    public static TheoryData<string> SchemasThatNeedNoMore =>
    [
        "SELECT",
        "CREATE INDEX ON stacks (updated_at)",
        "CREATE UNIQUE INDEX ON stacks ((env_vars->>'HOST'))",
        "CREATE UNIQUE INDEX ON stacks (updated_at, lower(slug))",
        "CREATE UNIQUE INDEX ON stacks (id, updated_at) WHERE status = 'healthy'",
        "CREATE UNIQUE INDEX ON stacks (slug, id) INCLUDE (updated_at, env_vars)",
        "ALTER TABLE stacks ADD name text GENERATED ALWAYS AS (lower(slug)) STORED UNIQUE",
        Trigger.On("NEW.updated_at := now()"),
        Trigger.On("IF NEW.slug <> OLD.slug THEN RAISE 'no'; END IF"),
    ];

    [Theory]
    [MemberData(nameof(SchemasSeenOrNot))]
    public async Task A_child_that_is_being_inserted_ends_the_wait_in_time(string ddl)
    {
        var id = await CreateAsync(ddl);
        var merger = Database.MergerWith(static options => options.LockTimeout = Limit);
        await merger.MergeAsync(id, Changes(("WARM", "up")));

        var children = new List<HeldLock>();
        for (var number = 0; number < 6; number++)
        {
            children.Add(await Database.HoldAsync("INSERT INTO child VALUES ($1)", id));
        }

        var before = await Database.FootprintAsync(id);
        try
        {
            // The second one starts with whatever the merger has learned from the first.
            for (var turn = 0; turn < 2; turn++)
            {
                var (failure, elapsed) = await TimeAsync(
                    () => Record.ExceptionAsync(() => merger.MergeAsync(id, Changes(("HOST", $"h{turn}")))));

                Assert.True(failure is null or LockTimeoutException, $"After {elapsed}: {failure}");
                Assert.InRange(elapsed, TimeSpan.Zero, Bound);
                Assert.True(failure is null || before == await Database.FootprintAsync(id), "The merge timed out, and was written.");
                before = await Database.FootprintAsync(id);
            }
        }
        finally
        {
            foreach (var child in children)
            {
                await child.DisposeAsync();
            }
        }

        Assert.True((await merger.MergeAsync(id, Changes(("HOST", "free")))).Changed);
    }

    [Theory]
    [MemberData(nameof(UnseenAssignments))]
    public async Task After_a_timeout_in_the_UPDATE_the_merger_takes_the_stronger_lock(string assignment)
    {
        var id = await CreateAsync($"{Versioned} {Trigger.On(assignment)}");
        await using var log = await StatementLog.StartAsync(Database.ConnectionString);
        var merger = new StackEnvMerger(log.DataSource, new() { LockTimeout = TimeSpan.FromMilliseconds(200) });
        await merger.MergeAsync(id, Changes(("HOST", "h")));
        Assert.Equal(("FOR NO KEY UPDATE", true), LastWait());

        await using (await Database.HoldAsync("INSERT INTO child VALUES ($1)", id))
        {
            await TimeOutAsync();
            Assert.Equal(("FOR NO KEY UPDATE", true), LastWait());

            await TimeOutAsync();
            Assert.Equal(("FOR UPDATE", false), LastWait());
        }

        Assert.True((await merger.MergeAsync(id, Changes(("HOST", "free")))).Changed);
        Assert.Equal(("FOR UPDATE", true), LastWait());
        Assert.Equal(2, await Database.ScalarAsync<long>("SELECT version FROM stacks"));

        Task TimeOutAsync() => Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(id, Changes(("HOST", "held"))));

        // How the only locked read ends, and whether the UPDATE came after it.
        (string Lock, bool HasUpdate) LastWait()
        {
            var statements = log.Take();
            var lockedRead = Assert.Single(
                statements, static statement => statement.StartsWith("SELECT \"status\"", StringComparison.Ordinal));
            return (
                lockedRead[lockedRead.IndexOf("FOR ", StringComparison.Ordinal)..],
                statements.Any(static statement => statement.StartsWith("UPDATE ", StringComparison.Ordinal)));
        }
    }

    [Theory]
    [MemberData(nameof(Schemas))]
    public async Task Children_that_end_one_after_another_do_not_add_up(string ddl)
    {
        var id = await CreateAsync(ddl);
        var merger = Database.MergerWith(static options => options.LockTimeout = Limit);

        // Each ends within the limit, and together they take far longer than it.
        var children = Enumerable.Range(0, 6).Select(async number =>
        {
            await using var child = await Database.HoldAsync("INSERT INTO child VALUES ($1)", id);
            await Task.Delay(TimeSpan.FromSeconds(0.8 * (number + 1)));
        }).ToArray();
        await Task.Delay(200);
        var (failure, elapsed) = await TimeAsync(() => Record.ExceptionAsync(() => merger.MergeAsync(id, Changes(("HOST", "h")))));

        Assert.True(failure is null or LockTimeoutException, $"After {elapsed}: {failure}");
        Assert.InRange(elapsed, TimeSpan.Zero, Bound);
        await Task.WhenAll(children);
    }

    [Theory]
    [MemberData(nameof(Schemas))]
    public async Task A_transaction_that_inserts_a_child_and_then_updates_the_stack_does_not_deadlock(string ddl)
    {
        var id = await CreateAsync(ddl);
        var merger = Database.MergerWith(static options => options.LockTimeout = TimeSpan.FromSeconds(5));
        await using var transaction = await Database.HoldAsync("INSERT INTO child VALUES ($1)", id);
        var merging = Record.ExceptionAsync(() => merger.MergeAsync(id, Changes(("HOST", "h"))));
        await Task.WhenAny(merging, Task.Delay(300));

        var other = await Record.ExceptionAsync(async () =>
        {
            await transaction.CommitStatusAsync(id, "failed");
        });

        Assert.Null(other);
        Assert.Null(await merging);
        Assert.Equal(
            "failed h", await Database.ScalarAsync<string>("SELECT status || ' ' || (env_vars->>'HOST') FROM stacks WHERE id = $1", id));
    }

    [Theory]
    [MemberData(nameof(SchemasThatNeedNoMore))]
    public async Task A_child_that_is_being_inserted_is_not_waited_for_where_the_weaker_lock_does(string ddl)
    {
        var id = await CreateAsync(ddl);
        var merger = Database.MergerWith(static options => options.LockTimeout = Limit);
        await using (await Database.HoldAsync("INSERT INTO child VALUES ($1)", id))
        {
            Assert.True((await merger.MergeAsync(id, Changes(("HOST", "h")))).Changed);
        }

        await using (await Database.HoldAsync("SELECT FROM stacks WHERE id = $1 FOR NO KEY UPDATE", id))
        {
            var merging = merger.MergeAsync(id, Changes(("HOST", "i")));
            await Database.WaitersAsync(1);
            await Database.ExecuteAsync("INSERT INTO child VALUES ($1)", id).WaitAsync(TimeSpan.FromSeconds(0.9));
            await Record.ExceptionAsync(() => merging);
        }
    }

    [Fact]
    public async Task A_unique_index_with_the_version_takes_the_stronger_lock_where_the_merge_writes_it()
    {
        var id = await CreateAsync("ALTER TABLE stacks ADD version bigint; CREATE UNIQUE INDEX ON stacks (id, version)");
        var plain = Database.MergerWith(static options => options.LockTimeout = Limit);
        var versioned = Database.MergerWith(static options => (options.LockTimeout, options.VersionColumn) = (Limit, "version"));
        await using (await Database.HoldAsync("INSERT INTO child VALUES ($1)", id))
        {
            Assert.True((await plain.MergeAsync(id, Changes(("HOST", "h")))).Changed);
            var (_, elapsed) = await TimeAsync(
                () => Assert.ThrowsAsync<LockTimeoutException>(() => versioned.MergeAsync(id, Changes(("HOST", "i")))));
            Assert.InRange(elapsed, TimeSpan.Zero, Bound);
        }

        Assert.Equal(1, (await versioned.MergeAsync(id, Changes(("HOST", "i")))).Version);
    }

    [Fact]
    public async Task A_value_that_another_stack_is_taking_is_waited_for_in_time()
    {
        await CreateAsync("CREATE UNIQUE INDEX ON stacks ((env_vars->>'HOST'))");
        var (mine, other) = (await Database.InsertAsync(), await Database.InsertAsync());
        var merger = Database.MergerWith(static options => options.LockTimeout = Limit);
        await using (await Database.HoldAsync("UPDATE stacks SET env_vars = '{\"HOST\": \"h\"}' WHERE id = $1", other))
        {
            var (failure, elapsed) = await TimeAsync(
                () => Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync(mine, Changes(("HOST", "h")))));

            Assert.True(failure.IsTransient, failure.ToString());
            Assert.InRange(elapsed, TimeSpan.Zero, Bound);
        }

        Assert.True((await merger.MergeAsync(mine, Changes(("HOST", "h")))).Changed);
    }

    private async Task<Guid> CreateAsync(string ddl)
    {
        await Database.ExecuteAsync($"CREATE TABLE child (stack uuid REFERENCES stacks); {ddl}");
        return await Database.InsertAsync();
    }
}
