using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Npgsql;
using ConnectionState = System.Data.ConnectionState;

namespace StackEnv.Merge.Tests;

/// <summary>
/// What the merge relies on in Npgsql, without the library's own code: an upgrade that changes it fails here, and shows what changed.
/// </summary>
public sealed class NpgsqlAssumptionTests : DatabaseTest
{
    private const string Failure = "SELECT 1 / 0";

    [Fact]
    public async Task An_error_in_a_batch_skips_everything_after_it_COMMIT_included()
    {
        await Database.ExecuteAsync("CREATE TABLE log (entry text)");
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(
            connection, "BEGIN", "INSERT INTO log VALUES ('before')", Failure, "INSERT INTO log VALUES ('behind')", "COMMIT");

        var failure = await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));

        Assert.Equal(PostgresErrorCodes.DivisionByZero, failure.SqlState);
        await connection.CloseAsync();
        Assert.Equal(0L, await Database.ScalarAsync<long>("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task After_an_error_barrier_COMMIT_runs_commits_nothing_and_still_completes()
    {
        await Database.ExecuteAsync("CREATE TABLE log (entry text)");
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", "INSERT INTO log VALUES ('before')", Failure, "COMMIT");
        batch.EnableErrorBarriers = true;

        await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));

        Assert.Equal(StatementType.Other, batch.BatchCommands[3].StatementType);
        Assert.Equal(0L, await Database.ScalarAsync<long>("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task A_statements_type_is_unknown_until_its_completion_tag_arrives()
    {
        var id = await Database.InsertAsync();
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(
            connection, "BEGIN", "SELECT 1", "UPDATE stacks SET status = 'failed' RETURNING id", Failure, "COMMIT");
        Assert.All(Types(batch), static type => Assert.Equal(StatementType.Unknown, type));

        await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));

        Assert.Equal(
            [StatementType.Other, StatementType.Select, StatementType.Update, StatementType.Unknown, StatementType.Unknown], Types(batch));
        Assert.NotEqual(Guid.Empty, id);
    }

    [Fact]
    public async Task A_statement_counts_its_rows_and_one_that_was_refused_or_skipped_counts_none()
    {
        await Database.InsertAsync();
        await Database.InsertAsync();
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(
            connection,
            "UPDATE stacks SET status = 'failed' RETURNING id",
            "UPDATE stacks SET status = 'no such status'",
            "UPDATE stacks SET status = 'healthy'");

        await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));

        Assert.Equal([2UL, 0UL, 0UL], batch.BatchCommands.Cast<NpgsqlBatchCommand>().Select(static command => command.Rows));
    }

    [Theory]
    [InlineData(PostgresErrorCodes.LockNotAvailable)]
    [InlineData(PostgresErrorCodes.QueryCanceled)]
    [InlineData(PostgresErrorCodes.CheckViolation)]
    [InlineData(PostgresErrorCodes.SerializationFailure)]
    public async Task After_most_errors_of_the_server_the_connection_is_open(string sqlState) =>
        Assert.Equal(ConnectionState.Open, await StateAfterAsync(sqlState));

    [Theory]
    [InlineData(PostgresErrorCodes.AdminShutdown)]
    [InlineData(PostgresErrorCodes.DiskFull)]
    [InlineData(PostgresErrorCodes.TooManyConnections)]
    [InlineData(PostgresErrorCodes.SystemError)]
    [InlineData(PostgresErrorCodes.InternalError)]
    [InlineData(PostgresErrorCodes.DataCorrupted)]
    public async Task After_an_error_of_the_machine_or_a_shutdown_the_driver_gives_the_connection_up(string sqlState) =>
        Assert.NotEqual(ConnectionState.Open, await StateAfterAsync(sqlState));

    // https://github.com/npgsql/npgsql/issues/6391
    [Fact]
    public async Task A_statement_that_fails_between_Parse_and_Describe_while_it_is_prepared_costs_the_connection_at_its_next_use()
    {
        await using var preparing = Database.DataSourceWith(
            static settings => (settings.MaxAutoPrepare, settings.AutoPrepareMinUsages, settings.MaxPoolSize) = (20, 1, 1));
        await using var connection = await preparing.OpenConnectionAsync();
        await Assert.ThrowsAsync<PostgresException>(() => DivideAsync(0));

        var failure = await Assert.ThrowsAsync<Exception>(() => DivideAsync(1));

        Assert.Contains("unexpected backend message", failure.Message, StringComparison.Ordinal);
        Assert.NotEqual(ConnectionState.Open, connection.FullState);

        // The planner divides, when the parameter is bound.
        async Task DivideAsync(int divisor)
        {
            await using var divide = new NpgsqlCommand("SELECT 1 / $1", connection) { Parameters = { new() { Value = divisor } } };
            await divide.ExecuteScalarAsync();
        }
    }

    [Fact]
    public async Task A_session_that_the_server_ends_is_reported_and_its_connection_is_not_open()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", "SELECT pg_terminate_backend(pg_backend_pid())", "COMMIT");

        var failure = await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));

        Assert.Equal(PostgresErrorCodes.AdminShutdown, failure.SqlState);
        Assert.NotEqual(ConnectionState.Open, connection.FullState);
    }

    [Fact]
    public async Task An_end_of_the_session_can_follow_the_tag_of_a_COMMIT_that_was_carried_out()
    {
        await Database.ExecuteAsync("CREATE TABLE log (entry text)");
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(
            connection, "BEGIN", "INSERT INTO log VALUES ('kept')", "COMMIT", "SELECT pg_terminate_backend(pg_backend_pid())");

        var failure = await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));

        Assert.Equal(PostgresErrorCodes.AdminShutdown, failure.SqlState);
        Assert.Equal(StatementType.Other, batch.BatchCommands[2].StatementType);
        Assert.Equal("kept", await Database.ScalarAsync<string>("SELECT entry FROM log"));
    }

    [Fact]
    public async Task A_lost_connection_is_not_open()
    {
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        await using var connection = await dataSource.OpenConnectionAsync();
        proxy.Arm(WireFault.BeforeServer("COMMIT", WireAction.Close));
        await using var batch = Batch(connection, "BEGIN", "SELECT 1", "COMMIT");

        var failure = await Assert.ThrowsAnyAsync<NpgsqlException>(() => RunAsync(batch));

        Assert.IsNotType<PostgresException>(failure);
        Assert.NotEqual(ConnectionState.Open, connection.FullState);
        Assert.Equal(StatementType.Unknown, batch.BatchCommands[2].StatementType);
    }

    [Fact]
    public async Task Disposing_a_reader_that_was_not_drained_throws_the_servers_error()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "SELECT 1", Failure);
        var reader = await batch.ExecuteReaderAsync();

        await Assert.ThrowsAsync<PostgresException>(async () => await reader.DisposeAsync());
    }

    [Fact]
    public async Task Disposing_a_reader_that_was_not_drained_hides_a_time_out()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", "SELECT repeat('x', 100000)", "SELECT pg_sleep(60)", "COMMIT");
        batch.Timeout = 1;
        var reader = await batch.ExecuteReaderAsync();

        await reader.DisposeAsync();

        Assert.Equal(StatementType.Unknown, batch.BatchCommands[3].StatementType);
    }

    [Fact]
    public async Task A_failed_transaction_is_rolled_back_on_the_way_to_the_pool()
    {
        var id = await Database.InsertAsync();
        await using var one = Database.DataSourceWith(static settings => settings.MaxPoolSize = 1);
        await using (var connection = await one.OpenConnectionAsync())
        {
            await using var batch = Batch(connection, "BEGIN", "SELECT FROM stacks FOR UPDATE", Failure, "COMMIT");
            await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));
        }

        await using var next = await one.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("INSERT INTO stacks (slug) VALUES ('works')", next);
        Assert.Equal(1, await command.ExecuteNonQueryAsync());
        await using var holder = await Database.LockAsync(id);
    }

    [Fact]
    public async Task What_a_host_sets_in_a_session_is_reset_on_the_way_to_the_pool()
    {
        await using var one = Database.DataSourceWith(static settings => settings.MaxPoolSize = 1);
        await using var set = one.CreateCommand("SET lock_timeout = '7s'");
        await set.ExecuteNonQueryAsync();

        await using var show = one.CreateCommand("SELECT current_setting('lock_timeout')");
        Assert.Equal("0", await show.ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_read_that_takes_too_long_is_a_time_out_and_the_connection_is_open_once_the_server_has_confirmed()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", "SELECT pg_sleep(60)", "COMMIT");
        batch.Timeout = 1;

        var failure = await Assert.ThrowsAsync<NpgsqlException>(() => RunAsync(batch));

        Assert.IsType<TimeoutException>(failure.InnerException);
        Assert.Equal(ConnectionState.Open, connection.FullState);
        Assert.Equal(StatementType.Unknown, batch.BatchCommands[2].StatementType);
    }

    [Fact]
    public async Task Without_time_to_confirm_a_time_out_costs_the_connection()
    {
        await using var impatient = Database.DataSourceWith(static settings => settings.CancellationTimeout = -1);
        await using var connection = await impatient.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", "SELECT pg_sleep(60)", "COMMIT");
        batch.Timeout = 1;

        var failure = await Assert.ThrowsAsync<NpgsqlException>(() => RunAsync(batch));

        Assert.IsType<TimeoutException>(failure.InnerException);
        Assert.NotEqual(ConnectionState.Open, connection.FullState);
    }

    [Fact]
    public async Task The_time_limit_is_of_each_read_and_not_of_the_batch()
    {
        // So much text that the server sends each answer when it has it.
        const string Slow = "SELECT repeat('x', 100000) FROM pg_sleep(0.8)";
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, Slow, Slow, Slow);
        batch.Timeout = 2;

        await RunAsync(batch);

        Assert.All(Types(batch), static type => Assert.Equal(StatementType.Select, type));
    }

    [Fact]
    public async Task A_cancelled_statement_is_a_cancellation_that_holds_the_servers_error_and_the_connection_is_open()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", "SELECT pg_sleep(60)", "COMMIT");
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));

        var failure = await Assert.ThrowsAsync<OperationCanceledException>(() => RunAsync(batch, cancel.Token));

        Assert.Equal(PostgresErrorCodes.QueryCanceled, Assert.IsType<PostgresException>(failure.InnerException).SqlState);
        Assert.Equal(ConnectionState.Open, connection.FullState);
    }

    [Fact]
    public async Task A_cancellation_that_is_never_confirmed_can_be_of_a_transaction_that_was_committed_and_costs_the_connection()
    {
        await Database.ExecuteAsync("CREATE TABLE log (entry text)");
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString, static settings => settings.CancellationTimeout = 200);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        await using var connection = await dataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", "INSERT INTO log VALUES ('kept')", "COMMIT");
        proxy.Arm(new(FromServer: true, Message: 0, Offset: 0, WireAction.Silence));
        using var cancel = new CancellationTokenSource(TimeSpan.FromSeconds(1));

        var failure = await Assert.ThrowsAsync<OperationCanceledException>(() => RunAsync(batch, cancel.Token));

        Assert.Equal("kept", await Database.ScalarAsync<string>("SELECT entry FROM log"));
        Assert.IsNotType<PostgresException>(failure.InnerException);
        Assert.NotEqual(ConnectionState.Open, connection.FullState);
        Assert.Equal(StatementType.Unknown, batch.BatchCommands[2].StatementType);
    }

    [Fact]
    public async Task The_bytes_of_a_jsonb_column_are_its_text_without_the_version_of_the_wire_format()
    {
        await using var command = Database.DataSource.CreateCommand("""SELECT '{"A":"é"}'::jsonb""");
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();

        Assert.Equal("""{"A": "é"}"""u8.ToArray(), await reader.GetFieldValueAsync<byte[]>(0));
    }

    [Fact]
    public async Task An_error_says_where_the_unknown_name_stands_and_counts_characters_from_one()
    {
        await using var command = Database.DataSource.CreateCommand("SELECT '🚀', nowhere");

        var failure = await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteNonQueryAsync());

        // A character outside the basic plane is one to the server, and two UTF-16 units to .NET.
        Assert.Equal((PostgresErrorCodes.UndefinedColumn, 13), (failure.SqlState, failure.Position));
    }

    [Fact]
    public async Task A_pool_is_named_by_its_connection_string_without_the_password()
    {
        await using var role = await TestRole.CreateAsync(Database);

        var names = (await PoolNamesAsync(role.DataSource)).Where(name => name.Contains(role.Name, StringComparison.Ordinal)).ToArray();

        Assert.NotEmpty(names);
        Assert.All(names, name => Assert.DoesNotContain(role.Password, name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_name_of_a_pool_shows_the_password_of_a_certificate()
    {
        var password = $"ssl-{Database.Schema}";
        await using var dataSource = Database.DataSourceWith(settings => settings.SslPassword = password);

        Assert.Contains(await PoolNamesAsync(dataSource), name => name.Contains(password, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_pool_whose_data_source_has_a_name_is_named_by_that()
    {
        var name = $"pool of {Database.Schema}";
        await using var dataSource = new NpgsqlDataSourceBuilder(Database.ConnectionString) { Name = name }.Build();

        Assert.Contains(name, await PoolNamesAsync(dataSource));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_drivers_log_shows_parameters_only_if_that_is_enabled(bool isEnabled)
    {
        const string Value = "planted-parameter";
        var log = new FakeLogCollector();
        using var factory = EverythingInto(log);
        var builder = new NpgsqlDataSourceBuilder(Database.ConnectionString).UseLoggerFactory(factory);
        await using var dataSource = (isEnabled ? builder.EnableParameterLogging() : builder).Build();

        await using var works = dataSource.CreateCommand("SELECT $1");
        works.Parameters.Add(new() { Value = Value });
        await works.ExecuteScalarAsync();
        await using var fails = dataSource.CreateCommand("SELECT 1 / length($1)");
        fails.Parameters.Add(new() { Value = "" });
        await Assert.ThrowsAsync<PostgresException>(() => fails.ExecuteScalarAsync());

        Assert.Contains("SELECT $1", TextOf(log), StringComparison.Ordinal);
        Assert.Equal(isEnabled, TextOf(log).Contains(Value, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(LogLevel.Debug, true)]
    [InlineData(LogLevel.Warning, false)]
    public async Task The_drivers_log_shows_the_text_of_a_notice_at_Debug(LogLevel level, bool isShown)
    {
        var log = new FakeLogCollector();
        using var factory = EverythingInto(log, level);
        await using var dataSource = new NpgsqlDataSourceBuilder(Database.ConnectionString).UseLoggerFactory(factory).Build();

        await using var notice = dataSource.CreateCommand("DO $$ BEGIN RAISE WARNING '%', 'planted'; END $$");
        await notice.ExecuteNonQueryAsync();

        Assert.Equal(isShown, TextOf(log).Contains("Received notice: planted", StringComparison.Ordinal));
    }

    // After an error that costs the connection, the driver logs the exception.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_drivers_log_and_its_exception_show_the_detail_of_an_error_only_if_that_is_enabled(bool isEnabled)
    {
        var log = new FakeLogCollector();
        using var factory = EverythingInto(log);
        await Database.InsertAsync();
        var slug = (await Database.ScalarAsync<string>("SELECT slug FROM stacks"))!;
        var builder = new NpgsqlDataSourceBuilder(Database.ConnectionString).UseLoggerFactory(factory);
        Assert.True(builder.ConnectionStringBuilder.Remove("Include Error Detail"));
        if (isEnabled)
        {
            builder.ConnectionStringBuilder.IncludeErrorDetail = true;
        }

        await using var dataSource = builder.Build();
        await using var full = dataSource.CreateCommand(
            "DO $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = 'disk_full', DETAIL = (SELECT slug FROM stacks); END $$");
        var failure = await Assert.ThrowsAsync<PostgresException>(() => full.ExecuteNonQueryAsync());

        Assert.Equal(isEnabled, $"{failure} {failure.Detail}".Contains(slug, StringComparison.Ordinal));
        Assert.Contains("53100: full", TextOf(log), StringComparison.Ordinal);
        Assert.Equal(isEnabled, TextOf(log).Contains(slug, StringComparison.Ordinal));
    }

    private static ILoggerFactory EverythingInto(FakeLogCollector log, LogLevel from = LogLevel.Trace) => LoggerFactory.Create(
        builder => builder.SetMinimumLevel(from).AddProvider(new FakeLoggerProvider(log)));

    private static string TextOf(FakeLogCollector log) => string.Join('\n', log.GetSnapshot().Select(static record =>
        $"{record.Message} {record.Exception} {string.Join(' ', record.StructuredState?.Select(static field => field.Value) ?? [])}"));

    // Those of the whole process, while a connection of this one is open.
    private static async Task<IReadOnlyCollection<string>> PoolNamesAsync(NpgsqlDataSource dataSource)
    {
        var names = new ConcurrentQueue<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name is "Npgsql")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<int>((_, _, tags, _) => Note(tags));
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => Note(tags));
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) => Note(tags));
        listener.Start();
        await using var connection = await dataSource.OpenConnectionAsync();
        listener.RecordObservableInstruments();
        return names;

        void Note(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            foreach (var tag in tags)
            {
                if (tag is { Key: "db.client.connection.pool.name", Value: string name })
                {
                    names.Enqueue(name);
                }
            }
        }
    }

    private static IEnumerable<StatementType> Types(NpgsqlBatch batch) =>
        batch.BatchCommands.Cast<NpgsqlBatchCommand>().Select(static command => command.StatementType);

    private static NpgsqlBatch Batch(NpgsqlConnection connection, params string[] statements)
    {
        var batch = new NpgsqlBatch(connection);
        foreach (var statement in statements)
        {
            batch.BatchCommands.Add(new(statement));
        }

        return batch;
    }

    private static async Task RunAsync(NpgsqlBatch batch, CancellationToken cancellationToken = default)
    {
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.NextResultAsync(cancellationToken))
        {
            // Every answer is read, up to the last.
        }
    }

    private async Task<ConnectionState> StateAfterAsync(string sqlState)
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await using var batch = Batch(connection, "BEGIN", $"DO $$ BEGIN RAISE EXCEPTION SQLSTATE '{sqlState}'; END $$", "COMMIT");
        var failure = await Assert.ThrowsAsync<PostgresException>(() => RunAsync(batch));
        Assert.Equal(sqlState, failure.SqlState);
        return connection.FullState;
    }
}
