using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>What the table of stacks may be other than a plain table, and what may hang on it.</summary>
public sealed class RelationTests : DatabaseTest
{
    private const string Secret = "hunter2-planted-secret";

    private const string Columns = "id uuid, status text, env_vars jsonb, updated_at timestamptz";

    public static TheoryData<string, string> WhatWorks => new()
    {
        {
            "partitions by key",
            $"CREATE TABLE relation ({Columns}, PRIMARY KEY (id)) PARTITION BY HASH (id); " +
            "CREATE TABLE p0 PARTITION OF relation FOR VALUES WITH (MODULUS 2, REMAINDER 0); " +
            "CREATE TABLE p1 PARTITION OF relation FOR VALUES WITH (MODULUS 2, REMAINDER 1)"
        },
        {
            "partitions by status",
            $"CREATE TABLE relation ({Columns}) PARTITION BY LIST (status); CREATE TABLE up PARTITION OF relation FOR VALUES IN ('up'); " +
            "CREATE TABLE others PARTITION OF relation DEFAULT"
        },
        {
            "a row of an inheriting table",
            $"CREATE TABLE relation ({Columns}); CREATE TABLE heir (more int) INHERITS (relation); " +
            "CREATE RULE bequeath AS ON INSERT TO relation DO INSTEAD INSERT INTO heir VALUES (NEW.id, NEW.status, NEW.env_vars)"
        },
        {
            "an updatable view",
            $"CREATE TABLE base ({Columns}); CREATE VIEW relation AS SELECT * FROM base WHERE status = 'up' WITH CHECK OPTION"
        },
        {
            "a view that is a security barrier",
            $"CREATE TABLE base ({Columns}); CREATE VIEW relation WITH (security_barrier) AS SELECT * FROM base WHERE status <> 'failed'"
        },
        {
            "a view with a trigger in place of the update",
            $"CREATE TABLE base ({Columns}); CREATE VIEW relation AS SELECT * FROM base; " +
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " +
            "UPDATE base SET env_vars = NEW.env_vars, updated_at = NEW.updated_at WHERE id = OLD.id; RETURN NEW; END $$; " +
            "CREATE TRIGGER act INSTEAD OF UPDATE ON relation FOR EACH ROW EXECUTE FUNCTION act()"
        },
        {
            "a rule beside the update",
            $"CREATE TABLE relation ({Columns}, PRIMARY KEY (id)); CREATE TABLE seen (at timestamptz); " +
            "CREATE RULE also AS ON UPDATE TO relation DO ALSO INSERT INTO seen VALUES (now())"
        },
        {
            "a child with a foreign key",
            $"CREATE TABLE relation ({Columns}, PRIMARY KEY (id)); " +
            "CREATE TABLE child (stack uuid REFERENCES relation ON UPDATE CASCADE ON DELETE CASCADE)"
        },
        { "a table without a log", $"CREATE UNLOGGED TABLE relation ({Columns}, PRIMARY KEY (id))" },
    };

    public static TheoryData<string, string, string> WhatIsRefused => new()
    {
        {
            "a materialized view",
            $"CREATE TABLE base ({Columns}); INSERT INTO base VALUES ('00000000-0000-0000-0000-000000000000', 'up', '{{}}'); " +
            "CREATE MATERIALIZED VIEW relation AS SELECT * FROM base",
            PostgresErrorCodes.WrongObjectType
        },
        {
            "a view that groups",
            $"CREATE TABLE base ({Columns}); " +
            "CREATE VIEW relation AS SELECT id, status, env_vars, max(updated_at) AS updated_at FROM base GROUP BY 1, 2, 3",
            PostgresErrorCodes.FeatureNotSupported
        },
        {
            "a rule in place of the update",
            $"CREATE TABLE relation ({Columns}, PRIMARY KEY (id)); CREATE RULE instead AS ON UPDATE TO relation DO INSTEAD NOTHING",
            PostgresErrorCodes.FeatureNotSupported
        },
    };

    public static TheoryData<string, string> FailingTriggers => new()
    {
        { "BEFORE UPDATE", PostgresErrorCodes.RaiseException },
        { "AFTER UPDATE", PostgresErrorCodes.RaiseException },
        { "CONSTRAINT AFTER UPDATE", PostgresErrorCodes.RaiseException },
        { "CONSTRAINT AFTER UPDATE", PostgresErrorCodes.InsufficientPrivilege },
        { "CONSTRAINT AFTER UPDATE", PostgresErrorCodes.SerializationFailure },
    };

    [Theory]
    [MemberData(nameof(WhatWorks))]
    public async Task A_merge_works_with(string what, string ddl)
    {
        var id = Guid.NewGuid();
        await Database.ExecuteAsync(ddl);
        await Database.ExecuteAsync(
            what.Contains("place", StringComparison.Ordinal)
                ? "INSERT INTO base VALUES ($1, 'up', '{\"OLD\": \"o\"}')"
                : "INSERT INTO relation VALUES ($1, 'up', '{\"OLD\": \"o\"}')",
            id);

        var result = await Relation().MergeAsync(id, Changes(("A", "1"), ("OLD", "")));

        Assert.Equal((1, 1, 1, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
        Assert.Equal(
            """{"A": "1"}""",
            await Database.ScalarAsync<string>("SELECT env_vars::text FROM relation WHERE id = $1 AND updated_at IS NOT NULL", id));
        await Assert.ThrowsAsync<StackNotFoundException>(() => Relation().MergeAsync(Guid.NewGuid(), Changes(("A", "1"))));
    }

    [Theory]
    [MemberData(nameof(WhatIsRefused))]
    public async Task A_merge_is_refused_by(string what, string ddl, string sqlState)
    {
        await Database.ExecuteAsync(ddl);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Relation().MergeAsync(Guid.Empty, Changes(("A", "1"))));

        Assert.True(failure.SqlState == sqlState, $"{what}: {failure.Message}");
        Assert.False(failure.IsTransient);
    }

    [Theory]
    [MemberData(nameof(FailingTriggers))]
    public async Task A_trigger_that_fails_fails_the_merge_and_is_not_quoted(string when, string sqlState)
    {
        await Database.ExecuteAsync(
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', NEW.env_vars USING ERRCODE = " +
            $"'{sqlState}'; END $$");
        await Database.ExecuteAsync(when.StartsWith("CONSTRAINT ", StringComparison.Ordinal)
            ? $"CREATE CONSTRAINT TRIGGER act {when["CONSTRAINT ".Length..]} ON stacks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW " +
                "EXECUTE FUNCTION act()"
            : $"CREATE TRIGGER act {when} ON stacks FOR EACH ROW EXECUTE FUNCTION act()");
        var id = await Database.InsertAsync();
        using var watch = new LeakWatch(Secret, "StackEnv.Merge");

        foreach (var journals in new IStackEnvMergeJournal[][] { [], [new Journal(static (_, _) => [new("SELECT 1")])] })
        {
            var merger = new StackEnvMerger(Database.DataSource, logger: watch, journals: journals);
            var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("A", Secret))));

            watch.Read(failure);
            Assert.Equal(sqlState, failure.SqlState);
        }

        Assert.Empty(watch.Leaks);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_trigger_that_writes_the_same_row_again_fails_the_merge()
    {
        await Database.ExecuteAsync(
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE stacks SET slug = slug || 'x' WHERE id = OLD.id; " +
            "RETURN NEW; END $$");
        await Database.ExecuteAsync(
            "CREATE TRIGGER act BEFORE UPDATE ON stacks FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION act()");
        var id = await Database.InsertAsync();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => Database.Merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(PostgresErrorCodes.TriggeredDataChangeViolation, failure.SqlState);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_view_whose_trigger_drops_the_write_is_a_failure()
    {
        await Database.ExecuteAsync(
            $"CREATE TABLE base ({Columns}); CREATE VIEW relation AS SELECT * FROM base; CREATE FUNCTION act() RETURNS trigger LANGUAGE " +
            "plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER act INSTEAD OF UPDATE ON relation FOR EACH ROW EXECUTE FUNCTION act()");
        await Database.ExecuteAsync("INSERT INTO base VALUES ($1, 'up', '{}')", Guid.Empty);

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: false, () => Relation().MergeAsync(Guid.Empty, Changes(("A", "1"))));

        Assert.Contains(
            "wrote no row: look for a trigger, a rule or a row-level security policy that drops it.",
            failure.Message,
            StringComparison.Ordinal);
    }

    private StackEnvMerger Relation() => Database.MergerWith(static options => options.Table = "relation");
}
