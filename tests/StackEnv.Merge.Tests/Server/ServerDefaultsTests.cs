using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Defaults of the connection, the role or the database that would change what statements do, or for how long they may.</summary>
public sealed class ServerDefaultsTests : DatabaseTest
{
    private const int FirstWithTransactionTimeout = 17;

    public static TheoryData<string> Defaults =>
    [
        "default_transaction_isolation=serializable",
        @"default_transaction_isolation=repeatable\ read",
        "default_transaction_read_only=on",
        "default_transaction_deferrable=on",
        "standard_conforming_strings=off",
        "backslash_quote=off",
        "transform_null_equals=on",
        "array_nulls=off",
        "bytea_output=escape",
        "client_encoding=LATIN1",
        @"DateStyle=SQL,\ DMY",
        "IntervalStyle=sql_standard",
        "TimeZone=Asia/Kathmandu",
        "extra_float_digits=-15",
        "session_replication_role=replica",
        "synchronous_commit=off",
        "row_security=off",
        "jit=on -c jit_above_cost=0 -c jit_inline_above_cost=0 -c jit_optimize_above_cost=0",
        "plan_cache_mode=force_generic_plan",
        "enable_indexscan=off -c enable_bitmapscan=off",
        "lock_timeout=1",
        "idle_in_transaction_session_timeout=1",
    ];

    [Theory]
    [MemberData(nameof(Defaults))]
    public async Task A_merge_does_not_depend_on_defaults_of_the_server(string setting)
    {
        var id = await Database.InsertAsync("""{"OLD": "o", "KEEP": "k"}""");
        await using var hostile = Database.DataSourceWith(settings => settings.Options = $"-c {setting}");
        await MergeAgainstAHolderAsync(hostile, id);
    }

    [Fact]
    public async Task A_merge_does_not_depend_on_defaults_of_a_role_or_a_database()
    {
        var id = await Database.InsertAsync("""{"OLD": "o", "KEEP": "k"}""");
        await using var role = await TestRole.CreateAsync(Database);
        await role.GrantMergingAsync();
        await Database.ExecuteAsync($"ALTER ROLE {role.Name} SET default_transaction_isolation = 'serializable'");
        await Database.ExecuteAsync($"ALTER ROLE {role.Name} SET default_transaction_read_only = on");
        await Database.ExecuteAsync($"ALTER ROLE {role.Name} SET idle_in_transaction_session_timeout = 1");
        var database = new NpgsqlConnectionStringBuilder(Database.ConnectionString).Database ?? "postgres";
        await Database.ExecuteAsync($"ALTER ROLE {role.Name} IN DATABASE \"{database}\" SET lock_timeout = 1");

        await MergeAgainstAHolderAsync(role.DataSource, id);
    }

    [Fact]
    public async Task A_merge_needs_no_more_rights_than_to_read_four_columns_and_to_write_two()
    {
        var team = Guid.NewGuid();
        var id = await Database.InsertAsync(team: team);
        await using var role = await TestRole.CreateAsync(Database);
        await role.GrantMergingAsync();

        Assert.True((await new StackEnvMerger(role.DataSource).MergeAsync(((StackRef)id).OwnedBy(team), Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_missing_right_is_named()
    {
        var id = await Database.InsertAsync();
        await using var role = await TestRole.CreateAsync(Database);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(role.DataSource).MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, failure.SqlState);
        Assert.Contains("permission denied for table stacks", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_statement_timeout_of_the_hosts_own_does_not_end_the_wait_for_the_row_and_does_end_a_write_that_takes_too_long()
    {
        await Database.ExecuteAsync(Trigger.On("PERFORM pg_sleep((NEW.env_vars->>'SECONDS')::float)"));
        var id = await Database.InsertAsync("""{"SECONDS": "0"}""");
        await using var hurried = Database.DataSourceWith(static settings => settings.Options = "-c statement_timeout=500");
        var merger = new StackEnvMerger(hurried, new() { LockTimeout = TimeSpan.FromSeconds(20) });
        await merger.MergeAsync(id, Changes());

        var holder = await Database.LockAsync(id);
        var merging = merger.MergeAsync(id, Changes(("A", "1")));
        await Database.WaitersAsync(1);
        await Task.Delay(700);
        await holder.DisposeAsync();
        Assert.True((await merging).Changed);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync(id, Changes(("SECONDS", "30"))));
        Assert.Equal(PostgresErrorCodes.QueryCanceled, failure.SqlState);
        Assert.Equal("0", await Database.ScalarAsync<string>("SELECT env_vars->>'SECONDS' FROM stacks WHERE id = $1", id));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_statement_timeout_of_the_hosts_own_does_not_end_a_COMMIT_that_takes_longer(bool withJournal)
    {
        await Database.ExecuteAsync(Trigger.InCommit("PERFORM pg_sleep(1)"));
        var id = await Database.InsertAsync();
        await using var hurried = Database.DataSourceWith(static settings => settings.Options = "-c statement_timeout=500");
        var merger = new StackEnvMerger(hurried, journals: withJournal ? [Journal.Silent] : []);

        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);

        Assert.Equal("""{"A": "1"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_transaction_timeout_of_the_hosts_own_ends_the_merge_which_is_then_not_committed()
    {
        var id = await Database.InsertAsync();
        await using var hurried = Database.DataSourceWith(static settings => settings.Options = "-c transaction_timeout=300");
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var holder = await Database.LockAsync(id);

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(hurried, new() { LockTimeout = TimeSpan.FromSeconds(20) }).MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(
            connection.PostgreSqlVersion.Major >= FirstWithTransactionTimeout ? "25P04" : PostgresErrorCodes.UndefinedObject,
            failure.SqlState);
        await holder.DisposeAsync();
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    // The wait, and the pause of a journal, show what the limits do.
    private async Task MergeAgainstAHolderAsync(NpgsqlDataSource dataSource, Guid id)
    {
        const string Value = "quote\\\"d 'é' 漢字";
        var slow = new Journal(static (_, _) =>
        {
            Thread.Sleep(20);
            return [new("SELECT 1")];
        });
        var holder = await Database.LockAsync(id);
        var merging = new StackEnvMerger(dataSource, new() { LockTimeout = TimeSpan.FromSeconds(20) }, journals: [slow]).MergeAsync(
            id, Changes(("A", Value), ("OLD", "")));
        await Database.WaitersAsync(1);
        await Task.Delay(20);
        await holder.CommitStatusAsync(id, "failed"); // a write, which stricter isolation would not let the merge follow
        await holder.DisposeAsync();

        var result = await merging;
        Assert.Equal(new Dictionary<string, string> { ["A"] = Value, ["KEEP"] = "k" }, result.Env);
        Assert.Equal((1, 1, 2, true), (result.KeysSet, result.KeysDeleted, result.TotalAfter, result.Changed));
        Assert.Equal(Value, await Database.ScalarAsync<string>("SELECT env_vars->>'A' FROM stacks WHERE id = $1", id));
        Assert.True(await Database.ScalarAsync<bool>("SELECT updated_at BETWEEN created_at AND now() FROM stacks WHERE id = $1", id));
    }
}
