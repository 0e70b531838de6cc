using System.Diagnostics.CodeAnalysis;
using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Testing;

/// <summary>One schema of its own on the one real server of this test run, with a table of stacks in it.</summary>
/// <remarks>
/// If <c>STACKENV_CITUS</c> has a connection string, the server is the coordinator of Citus that it opens, and the table is distributed by
/// its id. <c>eng/citus.sh</c> sets it, and runs the tests that apply there.
/// </remarks>
[SuppressMessage("Security", "CA2100", Justification = "The SQL is the tests' own.")]
public sealed class TestDatabase : IAsyncDisposable
{
    // Lives as long as the process, and ends with it however it ends.
    private static readonly Lazy<Task<PostgresServer>> Server = new(() => PostgresServer.FindOrStartAsync());
    private static readonly string? Citus = Environment.GetEnvironmentVariable("STACKENV_CITUS");

    private const string Waiters =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%FOR NO KEY UPDATE' AND " +
        "application_name = $1";

    // There the session of a worker waits, with the number of the session that the merge has on the coordinator.
    private const string CitusWaiters =
        "SELECT count(DISTINCT merge.global_pid) " +
        "FROM citus_stat_activity AS merge JOIN citus_stat_activity AS waiting USING (global_pid) " +
        "WHERE merge.query LIKE '%FOR NO KEY UPDATE' AND merge.application_name = $1 AND waiting.wait_event_type = 'Lock'";

    private TestDatabase(string schema, string connectionString)
    {
        Schema = schema;
        ConnectionString = connectionString;
        DataSource = NpgsqlDataSource.Create(connectionString);
        Merger = new StackEnvMerger(DataSource);
    }

    /// <summary>Whether this test run is on Citus.</summary>
    public static bool IsCitus => !string.IsNullOrEmpty(Citus);

    public string Schema { get; }

    /// <summary>Opens the schema; error detail is on, so that a leak of it would show.</summary>
    public string ConnectionString { get; }

    public NpgsqlDataSource DataSource { get; }

    /// <summary>A merger with the default options.</summary>
    public StackEnvMerger Merger { get; }

    public static async Task<TestDatabase> CreateAsync() => IsCitus
        ? await CreateAsync(Citus!, static dataSource => StacksTable.CreateDistributedAsync(dataSource))
        : await CreateAsync((await Server.Value).ConnectionString);

    /// <summary>The same on another server.</summary>
    public static Task<TestDatabase> CreateAsync(string serverConnectionString) =>
        CreateAsync(serverConnectionString, static dataSource => StacksTable.CreateAsync(dataSource));

    public async ValueTask DisposeAsync()
    {
        await ExecuteAsync($"DROP SCHEMA {Schema} CASCADE");
        await DataSource.DisposeAsync();
    }

    public StackEnvMerger MergerWith(Action<StackEnvMergeOptions> configure)
    {
        var options = new StackEnvMergeOptions();
        configure(options);
        return new(DataSource, options);
    }

    public StackEnvMerger MergerWith(params IStackEnvMergeJournal[] journals) => new(DataSource, journals: journals);

    /// <summary>A data source on this schema with other settings than the shared one.</summary>
    public NpgsqlDataSource DataSourceWith(Action<NpgsqlConnectionStringBuilder> configure)
    {
        var settings = new NpgsqlConnectionStringBuilder(ConnectionString);
        configure(settings);
        return NpgsqlDataSource.Create(settings.ConnectionString);
    }

    public async Task<Guid> InsertAsync(string env = "{}", string status = "healthy", Guid? team = null) =>
        await StacksTable.InsertAsync(DataSource, slug: $"stack-{Guid.NewGuid():N}", env, status, team);

    public Task<string?> EnvAsync(Guid id) => ScalarAsync<string?>("SELECT env_vars::text FROM stacks WHERE id = $1", id);

    /// <summary>Everything of the row that a write would change, its physical version included.</summary>
    public Task<string> FootprintAsync(Guid id) =>
        ScalarAsync<string>("SELECT concat_ws(' ', ctid, xmin, status, env_vars, updated_at) FROM stacks WHERE id = $1", id)!;

    public async Task ExecuteAsync(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        await command.ExecuteNonQueryAsync();
    }

    public async Task<T?> ScalarAsync<T>(string sql, params object[] values)
    {
        await using var command = Command(sql, values);
        return await command.ExecuteScalarAsync() is T value ? value : default;
    }

    /// <summary>Holds the row's lock in a transaction of its own until it is disposed.</summary>
    public Task<HeldLock> LockAsync(Guid id) => HoldAsync("SELECT FROM stacks WHERE id = $1 FOR UPDATE", id);

    /// <summary>Holds what a statement locks in a transaction of its own until it is disposed.</summary>
    public Task<HeldLock> HoldAsync(string sql, params object[] values) => HeldLock.TakeAsync(DataSource, sql, values);

    /// <summary>Counts the sessions of this schema whose locked read waits for a lock.</summary>
    public Task<long> CountWaitersAsync() => ScalarAsync<long>(IsCitus ? CitusWaiters : Waiters, Schema);

    /// <summary>Waits until at least this many of them do.</summary>
    public async Task WaitersAsync(int count)
    {
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (await CountWaitersAsync() < count)
        {
            Assert.True(DateTime.UtcNow < deadline, $"{count} waiters did not show up.");
            await Task.Delay(5);
        }
    }

    private static async Task<TestDatabase> CreateAsync(string serverConnectionString, Func<NpgsqlDataSource, Task> createTable)
    {
        var schema = $"t_{Guid.NewGuid():N}";
        var connectionString = new NpgsqlConnectionStringBuilder(serverConnectionString)
        {
            SearchPath = schema,
            ApplicationName = schema,
            IncludeErrorDetail = true,
            MaxPoolSize = 40,
        };
        var database = new TestDatabase(schema, connectionString.ConnectionString);
        await database.ExecuteAsync($"CREATE SCHEMA {schema}");
        await createTable(database.DataSource);
        return database;
    }

    private NpgsqlCommand Command(string sql, object[] values)
    {
        var command = DataSource.CreateCommand(sql);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        return command;
    }
}
