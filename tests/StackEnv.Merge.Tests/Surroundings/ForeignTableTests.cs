using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>What a foreign table stands for cannot be judged from here: it is not refused, and two rows are still never written.</summary>
public sealed class ForeignTableTests : SurroundingsTest
{
    [Theory]
    [InlineData("UNIQUE (slug)")]
    [InlineData("UNIQUE (team_id, slug)")]
    public async Task A_merge_into_a_foreign_table_works_and_two_rows_are_left_alone(string key)
    {
        var settings = new NpgsqlConnectionStringBuilder(Database.ConnectionString);

        // As the server reaches itself, which may be in a container.
        var port = await Database.ScalarAsync<int>("SELECT coalesce(inet_server_port(), $1)", settings.Port);
        var host = settings.Host!.StartsWith('/') ? settings.Host : "localhost";
        await Database.ExecuteAsync("CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA pg_catalog");
        await Database.ExecuteAsync($"CREATE TABLE base ({Columns}, {key})");
        await Database.ExecuteAsync(
            $"CREATE SERVER {Database.Schema} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', port '{port}', dbname " +
            $"'{settings.Database}')");
        try
        {
            await Database.ExecuteAsync(
                $"CREATE USER MAPPING FOR CURRENT_USER SERVER {Database.Schema} OPTIONS (user '{settings.Username}', password " +
                $"'{settings.Password ?? "none"}')");
            await Database.ExecuteAsync(
                $"CREATE FOREIGN TABLE app ({Columns}) SERVER {Database.Schema} OPTIONS (schema_name '{Database.Schema}', table_name " +
                "'base')");
            await Database.ExecuteAsync(
                "INSERT INTO base VALUES (gen_random_uuid(), $1, 'alone', 'healthy', '{}'), (gen_random_uuid(), $1, 'going', 'deleting', " +
                "'{}')",
                TeamA);
            var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
            await using var disposeProxy = proxy;
            await using var disposeDataSource = dataSource;
            var merger = App(dataSource: dataSource);

            Assert.True((await merger.MergeAsync("alone", Changes(("A", "1")))).Changed);
            proxy.Arm(fault: null);
            Assert.True((await merger.MergeAsync("alone", Changes(("A", "2")))).Changed);
            Assert.Equal(2, proxy.RoundTrips);
            await Assert.ThrowsAsync<StackDeletingException>(() => merger.MergeAsync("going", Changes(("A", "1"))));
            await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync("missing", Changes(("A", "1"))));

            if (key.Contains("team_id", StringComparison.Ordinal))
            {
                await InsertTwinsAsync("base");
                var before = await FootprintAsync();
                var failure = await Record.ExceptionAsync(() => merger.MergeAsync("shop", Changes(("A", "1"))));
                Assert.Equal(before, await FootprintAsync());
                Assert.Equal("unsuitable_table", (failure as StackEnvMergeException)?.ErrorCode);
                Assert.DoesNotContain(Secret, failure!.ToString(), StringComparison.Ordinal);
            }
        }
        finally
        {
            await Database.ExecuteAsync($"DROP SERVER {Database.Schema} CASCADE");
        }
    }
}
