using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>
/// Prepared statements through PgBouncer in transaction mode: what the README says each version can do, and what it cannot.
/// </summary>
public sealed class PgBouncerPreparedTests : DatabaseTest
{
    // A session's names are lost on the next client, taken on the next session, or those of a statement with other parameters.
    private static readonly string[] NamesMixedUp =
    [
        PostgresErrorCodes.DuplicatePreparedStatement,
        PostgresErrorCodes.InvalidSqlStatementName,
        PostgresErrorCodes.ProtocolViolation,
    ];

    public static TheoryData<string> Versions => PgBouncerProgram.Versions;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task From_1_21_on_they_work_once_PgBouncer_is_configured_for_them(string version)
    {
        var program = PgBouncerProgram.OfVersion(version);
        await using var pooler = await PgBouncer.StartAsync(program, Database);
        await using var dataSource = PreparingDataSource(pooler);
        var id = await Database.InsertAsync();
        var merger = Merger(dataSource);

        var failures = await MergeAsync(merger, id);

        if (!program.FollowsPreparedStatements)
        {
            Assert.NotEmpty(failures);
            Assert.All(failures, static failure => Assert.Contains(failure, NamesMixedUp));
            return;
        }

        Assert.Empty(failures);
        Assert.InRange(await MostPreparedInASessionAsync(dataSource, PgBouncer.PoolSize), 7, 200);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Until_it_is_configured_merges_fail_and_none_that_failed_was_committed(string version)
    {
        var program = PgBouncerProgram.OfVersion(version);
        await using var pooler = await PgBouncer.StartAsync(
            program, Database, program.FollowsPreparedStatements ? "max_prepared_statements = 0" : "");
        await using var dataSource = PreparingDataSource(pooler);

        var failures = await MergeAsync(Merger(dataSource), await Database.InsertAsync());

        Assert.NotEmpty(failures);
        Assert.All(failures, static failure => Assert.Contains(failure, NamesMixedUp));
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Merges_that_fail_half_way_do_not_spoil_what_is_prepared(string version)
    {
        var program = PgBouncerProgram.OfVersion(version);
        await using var pooler = await PgBouncer.StartAsync(program, Database);
        await using var dataSource = OneConnection(pooler, program);
        var merger = ImpatientMerger(dataSource);
        var (id, held, holder) = await StacksThatRefuseAsync();
        await using var release = holder;
        for (var turn = 1; turn <= 3; turn++)
        {
            await merger.MergeAsync(id, Changes(("K", $"{turn}")));
        }

        for (var turn = 1; turn <= 5; turn++)
        {
            await Assert.ThrowsAsync<LockTimeoutException>(() => merger.MergeAsync(held, Changes(("A", "1"))));
            Assert.Equal(PostgresErrorCodes.CheckViolation, (await Assert.ThrowsAsync<StackEnvStoreException>(
                () => merger.MergeAsync(id, Changes(("B", "1"))))).SqlState);
            Assert.Equal(turn + 1, (await merger.MergeAsync(id, Changes(($"K_{turn}", "v")))).TotalAfter);
        }
    }

    /// <remarks>
    /// The server refuses the merge and prepares nothing of what follows, while PgBouncer has noted those names already. It ends the
    /// connection when the driver prepares them again.
    /// </remarks>
    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_merge_that_is_refused_while_its_connection_prepares_may_cost_that_connection_and_no_more(string version)
    {
        var program = PgBouncerProgram.OfVersion(version);
        await using var pooler = await PgBouncer.StartAsync(program, Database);
        await using var dataSource = OneConnection(pooler, program);
        var merger = ImpatientMerger(dataSource);
        var (id, held, holder) = await StacksThatRefuseAsync();
        await using var release = holder;
        var unknown = 0;

        for (var turn = 1; turn <= 8; turn++)
        {
            var failure = await Assert.ThrowsAnyAsync<StackEnvMergeException>(() => merger.MergeAsync(held, Changes(("A", "1"))));
            Assert.True(failure is LockTimeoutException or MergeOutcomeUnknownException, failure.ToString());
            unknown += failure is MergeOutcomeUnknownException ? 1 : 0;
        }

        Assert.InRange(unknown, 0, program.FollowsPreparedStatements ? 4 : 0);
        Assert.Equal("{}", await Database.EnvAsync(held));
        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    private static NpgsqlDataSource OneConnection(PgBouncer pooler, PgBouncerProgram program) => pooler.DataSource(
        settings =>
            (settings.MaxAutoPrepare, settings.AutoPrepareMinUsages, settings.MaxPoolSize) =
                (program.FollowsPreparedStatements ? 20 : 0, 2, 1));

    private static NpgsqlDataSource PreparingDataSource(PgBouncer pooler) =>
        pooler.DataSource(static settings => (settings.MaxAutoPrepare, settings.AutoPrepareMinUsages, settings.MaxPoolSize) = (20, 2, 8));

    // PgBouncer may just have opened a session, with nothing prepared. A transaction keeps its session, so that the next one gets another.
    private static async Task<long> MostPreparedInASessionAsync(NpgsqlDataSource dataSource, int sessions)
    {
        if (sessions == 0)
        {
            return 0;
        }

        await using var connection = await dataSource.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var prepared = new NpgsqlCommand(
            "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'PGBOUNCER%'", connection, transaction);
        return Math.Max((long)(await prepared.ExecuteScalarAsync())!, await MostPreparedInASessionAsync(dataSource, sessions - 1));
    }

    private StackEnvMerger Merger(NpgsqlDataSource dataSource) =>
        new(dataSource, new() { Schema = Database.Schema, LockTimeout = TimeSpan.FromSeconds(30) });

    private StackEnvMerger ImpatientMerger(NpgsqlDataSource dataSource) =>
        new(dataSource, new() { Schema = Database.Schema, LockTimeout = TimeSpan.FromMilliseconds(100) });

    // One stack refuses the key B, the other one is held.
    private async Task<(Guid Id, Guid Held, HeldLock Holder)> StacksThatRefuseAsync()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD CONSTRAINT no_b CHECK (NOT env_vars ? 'B')");
        var held = await Database.InsertAsync();
        return (await Database.InsertAsync(), held, await Database.LockAsync(held));
    }

    // The SQLSTATEs of the merges that failed. What failed was not committed, and what did not fail was.
    private async Task<string?[]> MergeAsync(StackEnvMerger merger, Guid id)
    {
        const int Clients = 8;
        const int MergesOfEach = 40;
        var failures = await Task.WhenAll(Enumerable.Range(0, Clients).Select(async client =>
        {
            var refused = new List<string?>();
            for (var merge = 0; merge < MergesOfEach; merge++)
            {
                try
                {
                    await merger.MergeAsync(id, Changes(($"K_{client}_{merge}", "v")));
                }
                catch (StackEnvStoreException failure)
                {
                    refused.Add(failure.SqlState);
                }
            }

            return refused;
        }));
        string?[] all = [.. failures.SelectMany(static refused => refused)];
        Assert.Equal(
            (Clients * MergesOfEach) - all.Length,
            await Database.ScalarAsync<long>("SELECT count(*) FROM stacks, jsonb_object_keys(env_vars) WHERE id = $1", id));
        return all;
    }
}
