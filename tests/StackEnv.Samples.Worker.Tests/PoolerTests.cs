using System.Diagnostics;
using Npgsql;
using StackEnv.Merge.Reliability.Tests.Neighbours;
using StackEnv.Samples.Worker.Tests.Infrastructure;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>A pooler that is full and a server that is away cost time and attempts, but no request.</summary>
public sealed class PoolerTests
{
    private const int Requests = 60;
    private const int Connections = 12;
    private static readonly TimeSpan Absence = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Sixty_requests_through_a_pooler_of_twelve_connections_with_the_server_away_for_20_s_are_all_applied_once()
    {
        await using var cluster = await RestartableCluster.StartAsync();
        var database = await TestDatabase.CreateAsync(cluster.ConnectionString);
        await database.ExecuteAsync("CREATE TABLE writes (request text)");
        await database.ExecuteAsync(
            """
            CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql AS
                'BEGIN PERFORM pg_sleep(0.1); INSERT INTO writes VALUES (NEW.env_vars ->> ''LAST''); RETURN NULL; END'
            """);
        await database.ExecuteAsync(
            "CREATE TRIGGER note_write AFTER UPDATE OF env_vars ON stacks FOR EACH ROW EXECUTE FUNCTION note_write()");
        var stacks = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => database.InsertAsync()));
        await using var pooler = await PgBouncer.StartAsync(
            PgBouncerProgram.OfVersion(((IEnumerable<object[]>)PgBouncerProgram.Versions).Select(static row => (string)row[0]).First()),
            database,
            $"max_client_conn = {Connections}\ndefault_pool_size = 20\nquery_wait_timeout = 3\nserver_login_retry = 1",
            ServerOf(database));
        await using var through = pooler.DataSource(static settings => settings.MaxPoolSize = 8);

        // Eight claims and eight merges at once, and one connection that listens: more than the pooler takes.
        await using var worker = await WorkerProcess.StartAsync(
        [
            ("ConnectionStrings__Database", through.ConnectionString),
            ("Worker__PollingInterval", "00:00:00.200"),
            ("Worker__RetryDelay", "00:00:00.200"),
            ("Worker__MaxRetryDelay", "00:00:03"),
        ]);
        await database.ExecuteAsync(
            """
            INSERT INTO env_change_requests (stack_id, changes)
            SELECT ($1::uuid[])[number % 20 + 1], jsonb_build_object('REQUEST_' || number, 'here', 'LAST', number::text)
            FROM generate_series(1, $2) AS number
            """,
            stacks,
            Requests);
        await UntilAppliedAsync(database, 10);

        await cluster.StopAsync(ShutdownMode.Fast);
        await Task.Delay(Absence);
        await cluster.StartAgainAsync();
        database.DataSource.Clear();

        await UntilAppliedAsync(database, Requests);
        Assert.Equal(Requests, await database.ScalarAsync<long>("SELECT count(*) FROM writes"));
        Assert.Equal(Requests, await database.ScalarAsync<long>("SELECT count(DISTINCT request) FROM writes"));
        Assert.Equal(
            Requests + stacks.Length,
            await database.ScalarAsync<long>("SELECT sum((SELECT count(*) FROM jsonb_object_keys(env_vars)))::bigint FROM stacks"));
        Assert.Contains("max_client_conn", worker.Output, StringComparison.Ordinal);
        Assert.Equal(0, await worker.StopAsync());
    }

    // PgBouncer does not pass the search path on.
    private static string ServerOf(TestDatabase database)
    {
        var behind = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        return $"host={behind.Host} port={behind.Port} dbname={behind.Database} connect_query='SET search_path = {database.Schema}'";
    }

    private static async Task UntilAppliedAsync(TestDatabase database, int count)
    {
        var started = Stopwatch.GetTimestamp();
        while (await database.ScalarAsync<long>("SELECT count(*) FROM env_change_requests WHERE status = 'applied'") < count)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Limit, $"{count} requests were not applied in time.");
            await Task.Delay(50);
        }
    }
}
