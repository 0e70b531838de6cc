using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Row-level security decides what a merge of a role that does not own the table finds, and what it may write.</summary>
public sealed class RowSecurityTests : DatabaseTest, IAsyncLifetime
{
    private const string Secret = "hunter2-planted-secret";

    private TestRole _role = null!;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        _role = await TestRole.CreateAsync(Database);
        await _role.GrantMergingAsync();
        await Database.ExecuteAsync("ALTER TABLE stacks ENABLE ROW LEVEL SECURITY");
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        await _role.DisposeAsync();
        await DisposeAsync();
    }

    [Fact]
    public async Task A_row_that_a_policy_shows_is_merged_into()
    {
        await Database.ExecuteAsync("CREATE POLICY all_rows ON stacks USING (true)");
        var id = await Database.InsertAsync("""{"OLD": "o"}""");

        var result = await new StackEnvMerger(_role.DataSource).MergeAsync(id, Changes(("A", "1"), ("OLD", "")));

        Assert.Equal((1, 1, 1), (result.KeysSet, result.KeysDeleted, result.TotalAfter));
    }

    [Theory]
    [InlineData("SELECT")]
    [InlineData("CREATE POLICY others ON stacks USING (status = 'failed')")]
    [InlineData("CREATE POLICY seen ON stacks FOR SELECT USING (true)")]
    [InlineData("CREATE POLICY seen ON stacks FOR SELECT USING (true); CREATE POLICY kept ON stacks FOR UPDATE USING (false)")]
    public async Task A_row_that_the_role_may_not_see_or_may_not_write_is_not_found(string policies)
    {
        await Database.ExecuteAsync(policies);
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);

        await Assert.ThrowsAsync<StackNotFoundException>(() => new StackEnvMerger(_role.DataSource).MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task The_owner_of_the_table_is_subject_to_it_where_it_is_forced()
    {
        await Database.ExecuteAsync($"GRANT CREATE ON SCHEMA {Database.Schema} TO {_role.Name}");
        await Database.ExecuteAsync($"ALTER TABLE stacks OWNER TO {_role.Name}");
        var id = await Database.InsertAsync();
        var merger = new StackEnvMerger(_role.DataSource);
        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);

        await Database.ExecuteAsync("ALTER TABLE stacks FORCE ROW LEVEL SECURITY");

        await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(id, Changes(("A", "2"))));
    }

    [Fact]
    public async Task A_set_that_the_policy_rejects_is_refused_without_being_shown()
    {
        await Database.ExecuteAsync("CREATE POLICY no_b ON stacks USING (true) WITH CHECK (NOT env_vars ? 'B')");
        var id = await Database.InsertAsync();
        using var watch = new LeakWatch(Secret, "StackEnv.Merge");

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(_role.DataSource, logger: watch).MergeAsync(id, Changes(("B", Secret))));

        watch.Read(failure);
        Assert.Empty(watch.Leaks);
        Assert.Equal((PostgresErrorCodes.InsufficientPrivilege, false), (failure.SqlState, failure.IsTransient));
        Assert.Contains("row-level security policy", failure.Message, StringComparison.Ordinal);
        Assert.Equal("{}", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_role_that_turns_it_off_is_refused_with_the_reason()
    {
        await Database.ExecuteAsync("CREATE POLICY all_rows ON stacks USING (true)");
        await Database.ExecuteAsync($"ALTER ROLE {_role.Name} SET row_security = off");
        var id = await Database.InsertAsync();

        var failure = await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(_role.DataSource).MergeAsync(id, Changes(("A", "1"))));

        Assert.Contains("row-level security policy", failure.Message, StringComparison.Ordinal);
    }
}
