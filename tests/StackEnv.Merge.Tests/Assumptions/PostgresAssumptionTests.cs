using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>What the merge relies on in PostgreSQL's locks, limits and names, without any of our code.</summary>
public sealed class PostgresAssumptionTests : DatabaseTest
{
    private const string Begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

    private const string ReadLimit = "SELECT current_setting('statement_timeout')";

    [Fact]
    public async Task A_locked_read_that_waited_gets_the_newest_version_and_the_UPDATE_after_it_builds_on_that()
    {
        var id = await Database.InsertAsync("""{"A": "old"}""");
        await using var holder = await Database.LockAsync(id);
        var reading = ReadAsync(
            Database.DataSource,
            Begin,
            "SELECT env_vars::text FROM stacks FOR NO KEY UPDATE",
            """UPDATE stacks SET env_vars = env_vars || '{"B": "mine"}' RETURNING env_vars::text || status""",
            "COMMIT");
        await Database.WaitersAsync(1);

        await holder.CommitStatusAsync(id, "failed");

        Assert.Equal("""{"A": "old", "B": "mine"}failed""", (await reading)[^1]);
    }

    [Fact]
    public async Task A_locked_read_that_waited_checks_again_that_the_row_matches()
    {
        var id = await Database.InsertAsync(status: "healthy");
        await using var holder = await Database.LockAsync(id);
        var reading = ReadAsync(Database.DataSource, Begin, "SELECT slug FROM stacks WHERE status = 'healthy' FOR NO KEY UPDATE", "COMMIT");
        await Database.WaitersAsync(1);

        await holder.CommitStatusAsync(id, "failed");

        Assert.Empty(await reading);
    }

    [Fact]
    public async Task Locking_a_row_makes_no_new_version_of_it()
    {
        var id = await Database.InsertAsync();
        var before = await Database.FootprintAsync(id);

        await ReadAsync(Database.DataSource, Begin, "SELECT status FROM stacks FOR NO KEY UPDATE", "COMMIT");

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    // So a version of its own tells writes of the set from all others.
    [Theory]
    [InlineData("status = 'failed'")]
    [InlineData("slug = slug")]
    public async Task An_UPDATE_of_any_column_changes_xmin_and_no_column_that_it_does_not_set(string set)
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD version bigint NOT NULL DEFAULT 7");
        var id = await Database.InsertAsync();
        var before = await XminAsync();

        await Database.ExecuteAsync($"UPDATE stacks SET {set} WHERE id = $1", id);

        Assert.NotEqual(before, await XminAsync());
        Assert.Equal(7, await Database.ScalarAsync<long>("SELECT version FROM stacks WHERE id = $1", id));

        Task<string?> XminAsync() => Database.ScalarAsync<string>("SELECT xmin::text FROM stacks WHERE id = $1", id);
    }

    [Theory]
    [InlineData("lock_timeout", null)]
    [InlineData("statement_timeout", PostgresErrorCodes.QueryCanceled)]
    public async Task Of_two_waits_lock_timeout_bounds_each_and_statement_timeout_their_sum(string setting, string? sqlState)
    {
        // Each wait is shorter than the limit, and both together are longer.
        var ids = new[] { await Database.InsertAsync(), await Database.InsertAsync() };
        var holders = await Task.WhenAll(ids.Select(Database.LockAsync));
        var waiting = Record.ExceptionAsync(() => ReadAsync(
            Database.DataSource,
            Begin,
            $"SET LOCAL {setting} = 2000",
            "SELECT slug FROM stacks ORDER BY ctid FOR NO KEY UPDATE",
            "COMMIT"));
        await Task.Delay(1_300);
        await holders[0].DisposeAsync();
        await Task.Delay(1_300);
        await holders[1].DisposeAsync();

        Assert.Equal(sqlState, (await waiting as PostgresException)?.SqlState);
    }

    [Fact]
    public async Task One_wait_longer_than_lock_timeout_is_an_error_of_its_own()
    {
        await using var holder = await Database.LockAsync(await Database.InsertAsync());

        var failure = await Assert.ThrowsAsync<PostgresException>(() => ReadAsync(
            Database.DataSource, Begin, "SET LOCAL lock_timeout = 20", "SELECT slug FROM stacks FOR NO KEY UPDATE", "COMMIT"));

        Assert.Equal(PostgresErrorCodes.LockNotAvailable, failure.SqlState);
    }

    [Fact]
    public async Task A_limit_that_is_set_in_a_batch_bounds_the_statements_after_it()
    {
        var failure = await Assert.ThrowsAsync<PostgresException>(
            () => ReadAsync(Database.DataSource, Begin, "SET LOCAL statement_timeout = 50", "SELECT 'x' FROM pg_sleep(60)", "COMMIT"));

        Assert.Equal(PostgresErrorCodes.QueryCanceled, failure.SqlState);
    }

    [Fact]
    public async Task A_limit_that_is_lifted_in_a_batch_does_not_bound_the_statements_after_it() =>
        Assert.Equal(["x"], await ReadAsync(
            Database.DataSource, Begin, "SET LOCAL statement_timeout = 100", "SET LOCAL statement_timeout TO DEFAULT",
            "SELECT 'x' FROM pg_sleep(0.3)", "COMMIT"));

    [Fact]
    public async Task A_statement_timeout_does_not_bound_COMMIT_whose_deferred_triggers_run_as_long_as_they_like()
    {
        await Database.ExecuteAsync(Trigger.InCommit("PERFORM pg_sleep(1)", "AFTER INSERT"));
        await using var limited = Database.DataSourceWith(static settings => settings.Options = "-c statement_timeout=300");

        await ReadAsync(limited, Begin, "INSERT INTO stacks (slug) VALUES ('slow')", "COMMIT");
        var failure = await Assert.ThrowsAsync<PostgresException>(() => ReadAsync(
            limited, Begin, "INSERT INTO stacks (slug) VALUES ('too slow')", "SET CONSTRAINTS ALL IMMEDIATE", "COMMIT"));

        Assert.Equal(PostgresErrorCodes.QueryCanceled, failure.SqlState);
        Assert.Equal("slow", await Database.ScalarAsync<string>("SELECT string_agg(slug, ', ') FROM stacks"));
    }

    [Theory]
    [InlineData("COMMIT")]
    [InlineData("ROLLBACK")]
    public async Task SET_LOCAL_ends_with_the_transaction_however_it_ends(string end)
    {
        await using var limited = Database.DataSourceWith(static settings => settings.Options = "-c statement_timeout=7s");

        Assert.Equal(["5s", "7s"], await ReadAsync(limited, Begin, "SET LOCAL statement_timeout = '5s'", ReadLimit, end, ReadLimit));
    }

    [Fact]
    public async Task DEFAULT_is_the_limit_of_the_connection_string()
    {
        await using var limited = Database.DataSourceWith(static settings => settings.Options = "-c statement_timeout=7s");

        Assert.Equal(["7s"], await ReadAfterDefaultAsync(limited));
    }

    [Fact]
    public async Task DEFAULT_is_the_limit_of_the_role_and_else_that_of_the_database()
    {
        // A database of its own, because what is set for one lasts.
        var name = Database.Schema;
        await Database.ExecuteAsync($"CREATE DATABASE {name}");
        await Database.ExecuteAsync($"ALTER DATABASE {name} SET statement_timeout = '8s'");
        try
        {
            await using (var ofDatabase = Database.DataSourceWith(settings => (settings.Database, settings.Pooling) = (name, false)))
            {
                Assert.Equal(["8s"], await ReadAfterDefaultAsync(ofDatabase));
            }

            var user = await Database.ScalarAsync<string>("SELECT quote_ident(current_user::text)");
            await Database.ExecuteAsync($"ALTER ROLE {user} IN DATABASE {name} SET statement_timeout = '9s'");
            await using var ofRole = Database.DataSourceWith(settings => (settings.Database, settings.Pooling) = (name, false));
            Assert.Equal(["9s"], await ReadAfterDefaultAsync(ofRole));
        }
        finally
        {
            await Database.ExecuteAsync($"DROP DATABASE {name}");
        }
    }

    [Fact]
    public async Task DEFAULT_is_not_what_the_session_was_SET_to_which_returns_at_the_end_of_the_transaction()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await ReadAsync(connection, "SET statement_timeout = '7s'");

        Assert.Equal(["0", "7s"], await ReadAsync(
            connection, Begin, "SET LOCAL statement_timeout = '5s'", "SET LOCAL statement_timeout TO DEFAULT", ReadLimit, "COMMIT",
            ReadLimit));
    }

    [Fact]
    public async Task A_session_that_is_idle_in_its_transaction_for_too_long_is_ended_and_commits_nothing()
    {
        await using var connection = await Database.DataSource.OpenConnectionAsync();
        await ReadAsync(
            connection, Begin, "SET LOCAL idle_in_transaction_session_timeout = 20", "INSERT INTO stacks (slug) VALUES ('gone')");
        await Task.Delay(300);

        // Whether the server's last words (25P03) are still read depends on the kind of socket.
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => ReadAsync(connection, "COMMIT"));

        Assert.NotEqual(System.Data.ConnectionState.Open, connection.FullState);
        Assert.Equal(0L, await Database.ScalarAsync<long>("SELECT count(*) FROM stacks"));
    }

    [Fact]
    public async Task The_time_of_the_statement_goes_on_within_a_batch_and_now_does_not() =>
        Assert.Equal(["True"], await ReadAsync(
            Database.DataSource, Begin, "SET LOCAL lock_timeout = 1", "DO 'BEGIN PERFORM pg_sleep(0.02); END'",
            "SELECT now() = transaction_timestamp() AND statement_timestamp() >= now() + interval '20 ms'", "COMMIT"));

    [Fact]
    public async Task A_name_of_more_than_63_bytes_is_cut_at_the_end_of_a_character_wherever_it_is_used()
    {
        var name = new string('n', 62) + "é";
        await Database.ExecuteAsync($"CREATE TABLE \"{new string('n', 62)}\" (slug text)");

        await Database.ExecuteAsync($"INSERT INTO \"{name}\" VALUES ('found')");
        await Database.ExecuteAsync($"INSERT INTO \"{name}{name}\" VALUES ('found again')");

        Assert.Equal(2L, await Database.ScalarAsync<long>($"SELECT count(*) FROM \"{new string('n', 62)}\""));
    }

    private static Task<List<string>> ReadAfterDefaultAsync(NpgsqlDataSource dataSource) =>
        ReadAsync(dataSource, Begin, "SET LOCAL statement_timeout = '5s'", "SET LOCAL statement_timeout TO DEFAULT", ReadLimit, "COMMIT");

    private static async Task<List<string>> ReadAsync(NpgsqlDataSource dataSource, params string[] statements)
    {
        await using var connection = await dataSource.OpenConnectionAsync();
        return await ReadAsync(connection, statements);
    }

    // The first column of each row of each statement, all of them in one batch.
    private static async Task<List<string>> ReadAsync(NpgsqlConnection connection, params string[] statements)
    {
        await using var batch = new NpgsqlBatch(connection);
        foreach (var statement in statements)
        {
            batch.BatchCommands.Add(new(statement));
        }

        var values = new List<string>();
        await using var reader = await batch.ExecuteReaderAsync();
        do
        {
            while (await reader.ReadAsync())
            {
                values.Add($"{reader.GetValue(0)}");
            }
        }
        while (await reader.NextResultAsync());
        return values;
    }
}
