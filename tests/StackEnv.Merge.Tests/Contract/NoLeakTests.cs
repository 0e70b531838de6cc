using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>A planted secret never appears in an exception, a log line, a span or a metric, whatever fails.</summary>
/// <remarks>Error detail is on in the connection string, so that the server's own messages do hold it.</remarks>
public sealed class NoLeakTests : DatabaseTest
{
    private const string Secret = "hunter2-planted-secret";

    private static readonly string[] EveryErrorCode =
    [
        "invalid_env_key", "invalid_env_value", "env_too_large", "not_found", "stack_deleting", "version_mismatch", "stored_env_invalid",
        "lock_timeout", "outcome_unknown", "store_error",
    ];

    [Fact]
    public async Task No_failure_and_no_success_shows_a_value()
    {
        using var watch = new LeakWatch(Secret, "StackEnv.Merge");
        var codes = new HashSet<string>(StringComparer.Ordinal);
        var stored = $$"""{"TOKEN": "{{Secret}}", "OLD": "{{Secret}}"}""";
        var stack = await Database.InsertAsync(stored);
        var changes = Changes(("TOKEN", Secret + "-new"), ("OLD", null));

        async Task FailAsync(
            StackRef on,
            Dictionary<string, string?> with,
            Action<StackEnvMergeOptions>? configure = null,
            NpgsqlDataSource? dataSource = null,
            CancellationToken cancellationToken = default)
        {
            var options = new StackEnvMergeOptions { LockTimeout = TimeSpan.FromMilliseconds(100) };
            configure?.Invoke(options);
            var failure = await Assert.ThrowsAnyAsync<Exception>(
                () => new StackEnvMerger(dataSource ?? Database.DataSource, options, watch).MergeAsync(on, with, cancellationToken));
            codes.Add((failure as StackEnvMergeException)?.ErrorCode ?? failure.GetType().Name);
            watch.Read(failure);
        }

        // Before any I/O.
        await FailAsync(stack, Changes(("TOKEN", Secret), ("bad key", Secret)));
        await FailAsync(stack, Changes(("TOKEN", Secret + "\0")));
        await FailAsync(stack, Changes(("TOKEN", Secret + "\ud800")));
        await FailAsync(stack, Changes(("TOKEN", Secret + new string('x', 70_000))));

        // Decided by the guards.
        await FailAsync(Guid.NewGuid(), changes);
        await FailAsync(((StackRef)stack).OwnedBy(Guid.NewGuid()), changes);
        await FailAsync(await Database.InsertAsync(stored, status: "deleting"), changes);
        await FailAsync(await Database.InsertAsync($"[\"{Secret}\"]"), changes);
        await FailAsync(stack, Changes(("MORE", Secret)), static options => options.MaxEnvBytes = 60);
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN version bigint");
        await FailAsync(((StackRef)stack).AtVersion(1), changes, static options => options.VersionColumn = "version");

        // The wait for the row.
        await using (await Database.LockAsync(stack))
        {
            await FailAsync(stack, changes);
            using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
            await FailAsync(
                stack, changes, static options => options.LockTimeout = TimeSpan.FromSeconds(30), cancellationToken: cancel.Token);
        }

        // The connection.
        var (proxy, proxied) = WireProxy.InFrontOf(Database.ConnectionString);
        await using (proxy)
        {
            await using (proxied)
            {
                proxy.Arm(WireFault.BeforeServer("COMMIT", WireAction.Close));
                await FailAsync(stack, changes, dataSource: proxied);
            }
        }

        await using (var nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1"))
        {
            await FailAsync(stack, changes, dataSource: nowhere);
        }

        // What the schema can do, to the point that the driver gives up the connection: each of these makes PostgreSQL itself quote the
        // value, in its message, its detail or its context.
        await FailAsync(stack, changes, static options => options.EnvVarsColumn = "envvars");
        await FailAsync(stack, changes, static options => options.Table = "nowhere");
        foreach (var sqlState in new[] { "P0001", "22P05", "23514", "42501", "55000", "57014", "57P01", "40001", "53100", "XX000" })
        {
            await FailUnderTriggerAsync(
                $"RAISE EXCEPTION 'the set is %', NEW.env_vars USING ERRCODE = '{sqlState}', DETAIL = NEW.env_vars::text, HINT = " +
                "NEW.env_vars::text, CONSTRAINT = 'no_' || (NEW.env_vars->>'TOKEN')");
        }

        await FailUnderTriggerAsync("RETURN NULL");
        await FailUnderTriggerAsync("NEW.env_vars := to_jsonb(NEW.env_vars::text)");
        await Database.ExecuteAsync("ALTER TABLE stacks ADD CONSTRAINT never CHECK (NOT env_vars ? 'NEVER')");
        await FailAsync(stack, Changes(("NEVER", Secret)));
        await Database.ExecuteAsync(
            "ALTER TABLE stacks ADD COLUMN copy text GENERATED ALWAYS AS (env_vars->>'NUMBER') STORED, ADD COLUMN number int GENERATED " +
            "ALWAYS AS ((env_vars->>'NUMBER')::int) STORED");
        await FailAsync(stack, Changes(("NUMBER", Secret)));

        // And a success. Its set is the one way by which values come out.
        var result = await new StackEnvMerger(Database.DataSource, null, watch).MergeAsync(stack, Changes(("FINE", Secret)));
        watch.Read("result", result.ToString()!);

        Assert.Superset(EveryErrorCode.ToHashSet(StringComparer.Ordinal), codes);
        Assert.Superset(
            new HashSet<string>(StringComparer.Ordinal)
            {
                "span stackenv.merge committed",
                "metric stackenv.merge.duration",
                "metric stackenv.merge.keys_set",
                "log MergeCommitted",
                "log StoreFailed",
            },
            watch.Seen.Keys.ToHashSet(StringComparer.Ordinal));
        Assert.Empty(watch.Leaks);

        async Task FailUnderTriggerAsync(string body)
        {
            await Database.ExecuteAsync(Trigger.On(body));
            await FailAsync(await Database.InsertAsync(stored), changes);
            await Database.ExecuteAsync("DROP TRIGGER act ON stacks");
        }
    }

    // The reason for the warning in docs/operations.md about the driver's spans. COMMIT goes by itself there, as the first statement that
    // its span is about.
    [Fact]
    public async Task What_a_trigger_says_can_be_in_the_drivers_span_and_is_not_in_the_librarys()
    {
        var planted = $"{Secret} of {Database.Schema}";
        using var drivers = new LeakWatch(planted, "Npgsql");
        using var library = new LeakWatch(planted, "StackEnv.Merge");
        await Database.ExecuteAsync(Trigger.InCommit("RAISE EXCEPTION 'the token is %', NEW.env_vars->>'TOKEN'"));
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(Journal.Silent);

        await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("TOKEN", planted))));

        Assert.Contains(drivers.Leaks, static leak => leak.StartsWith("span", StringComparison.Ordinal));
        Assert.Contains("span stackenv.merge store_error", library.Seen.Keys);
        Assert.Empty(library.Leaks);
    }

    [Fact]
    public async Task No_name_of_a_key_shows_where_merges_are_observed()
    {
        using var watch = new LeakWatch(Secret, "StackEnv.Merge");
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN version bigint");
        StackRef stack = await Database.InsertAsync($$"""{"{{Secret}}-old": "1", "{{Secret}}-port": "1"}""");
        var merger = new StackEnvMerger(
            Database.DataSource, new() { VersionColumn = "version", IsValidKey = static _ => true }, watch);
        var changes = Changes((Secret + "-old", ""), (Secret + "-port", "2"), (Secret + "-new", "3"));

        var result = await merger.MergeAsync(stack.AtVersion(0), changes);
        watch.Read("result", result.ToString());
        watch.Read(await Assert.ThrowsAsync<StackVersionException>(() => merger.MergeAsync(stack.AtVersion(0), changes)));
        await merger.MergeAsync(stack, changes);

        Assert.Equal(1, result.AddedKeys.Count * result.UpdatedKeys.Count * result.DeletedKeys.Count);
        Assert.Superset(
            new HashSet<string>(StringComparer.Ordinal)
            {
                "span stackenv.merge committed", "span stackenv.merge unchanged", "span stackenv.merge version_mismatch",
                "log MergeCommitted", "log MergeUnchanged", "log MergeRefused",
            },
            watch.Seen.Keys.ToHashSet(StringComparer.Ordinal));
        Assert.Empty(watch.Leaks);
    }
}
