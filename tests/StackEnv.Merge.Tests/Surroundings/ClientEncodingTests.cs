using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A session with a client encoding other than UTF8 would store mangled values: the merge is refused, and names the setting.
/// </summary>
public sealed class ClientEncodingTests : DatabaseTest
{
    [Theory]
    [InlineData("LATIN1", "{}")]
    [InlineData("LATIN1", """{"A": "é"}""")]
    [InlineData("WIN1252", "{}")]
    [InlineData("LATIN9", """{"B": "€"}""")]
    [InlineData("SQL_ASCII", "{}")]
    [InlineData("EUC_JP", """{"B": "漢字"}""")]
    public async Task An_encoding_in_the_connection_string_is_refused_and_nothing_is_written(string encoding, string stored)
    {
        await using var dataSource = Database.DataSourceWith(settings => settings.ClientEncoding = encoding);

        await RefusedAsync(new(dataSource), stored);
    }

    [Theory]
    [InlineData("LATIN1")]
    [InlineData("SQL_ASCII")]
    public async Task An_encoding_that_the_data_sources_initializer_sets_is_refused(string encoding)
    {
        var builder = new NpgsqlDataSourceBuilder(Database.ConnectionString);
        builder.UsePhysicalConnectionInitializer(
            connection => Set(connection, encoding),
            connection =>
            {
                Set(connection, encoding);
                return Task.CompletedTask;
            });
        await using var dataSource = builder.Build();

        await RefusedAsync(new(dataSource), """{"A": "é"}""");
    }

    [Theory]
    [InlineData("LATIN1")]
    [InlineData("WIN1252")]
    public async Task With_a_journal_it_is_refused_before_the_journal_is_asked(string encoding)
    {
        await using var dataSource = Database.DataSourceWith(settings => settings.ClientEncoding = encoding);
        var asked = 0;
        var journal = new Journal((_, _) =>
        {
            asked++;
            return [];
        });

        await RefusedAsync(new(dataSource, journals: [journal]), """{"A": "é"}""");

        Assert.Equal(0, asked);
    }

    [Fact]
    public async Task A_pooled_session_whose_encoding_other_code_has_changed_is_refused_although_the_first_merge_was_not()
    {
        var id = await Database.InsertAsync("""{"A": "é"}""");
        await using var one = Database.DataSourceWith(static settings => (settings.MaxPoolSize, settings.NoResetOnClose) = (1, true));
        var merger = new StackEnvMerger(one);
        Assert.Equal("ü", (await merger.MergeAsync(id, Changes(("B", "ü")))).Env["B"]);
        await using (var connection = await one.OpenConnectionAsync())
        {
            Set(connection, "LATIN1");
        }

        await RefusedAsync(merger, """{"A": "é"}""");
    }

    [Fact]
    public async Task A_pooled_session_whose_encoding_a_journal_has_changed_is_refused()
    {
        var id = await Database.InsertAsync();
        await using var one = Database.DataSourceWith(static settings => (settings.MaxPoolSize, settings.NoResetOnClose) = (1, true));
        var journal = new Journal(static (_, _) => [new("SET client_encoding TO 'LATIN1'")]);
        await new StackEnvMerger(one, journals: [journal]).MergeAsync(id, Changes(("A", "é")));

        await RefusedAsync(new(one), """{"A": "é"}""");
    }

    [Fact]
    public async Task A_change_that_a_pooler_does_not_report_is_refused_by_the_first_merge()
    {
        var (proxy, dataSource) = WireProxy.InFrontOf(
            Database.ConnectionString, static settings => (settings.MaxPoolSize, settings.NoResetOnClose) = (1, true));
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        await using (var connection = await dataSource.OpenConnectionAsync())
        {
            proxy.Arm(WireFault.BeforeServer("client_encoding", WireAction.Drop));
            Set(connection, "LATIN1");
            Assert.Equal("UTF8", connection.PostgresParameters["client_encoding"]);
        }

        await RefusedAsync(new(dataSource), """{"A": "é"}""");
    }

    [Theory]
    [InlineData("UTF8")]
    [InlineData("utf-8")]
    [InlineData("Unicode")]
    [InlineData("UNICODE")]
    public async Task Every_spelling_of_UTF8_is_accepted(string encoding)
    {
        await using var dataSource = Database.DataSourceWith(settings => settings.ClientEncoding = encoding);

        await AcceptedAsync(dataSource);
    }

    [Theory]
    [InlineData("UTF8")]
    [InlineData("utf-8")]
    public async Task Every_spelling_of_the_drivers_UTF8_is_accepted(string encoding)
    {
        await using var dataSource = Database.DataSourceWith(settings => settings.Encoding = encoding);

        await AcceptedAsync(dataSource);
    }

    [Fact]
    public async Task Another_encoding_of_the_driver_is_refused()
    {
        await using var dataSource = Database.DataSourceWith(static settings => settings.Encoding = "iso-8859-1");

        await RefusedAsync(new(dataSource), "{}");
    }

    [Fact]
    public async Task A_default_that_the_driver_overrides_does_no_harm()
    {
        var id = await Database.InsertAsync("""{"A": "é"}""");
        await using var dataSource = Database.DataSourceWith(static settings => settings.Options = "-c client_encoding=LATIN1");

        Assert.Equal("é", (await new StackEnvMerger(dataSource).MergeAsync(id, Changes(("B", "ü")))).Env["A"]);
        Assert.Equal("""{"A": "é", "B": "ü"}""", await Database.EnvAsync(id));
    }

    private async Task AcceptedAsync(NpgsqlDataSource dataSource)
    {
        var id = await Database.InsertAsync("""{"A": "é"}""");

        Assert.Equal("漢字 🚀", (await new StackEnvMerger(dataSource).MergeAsync(id, Changes(("B", "漢字 🚀")))).Env["B"]);
        Assert.Equal("""{"A": "é", "B": "漢字 🚀"}""", await Database.EnvAsync(id));
    }

    private async Task RefusedAsync(StackEnvMerger merger, string stored)
    {
        var id = await Database.InsertAsync(stored);
        var before = await Database.FootprintAsync(id);

        // Twice: the refusal is not forgotten, and costs no connection.
        for (var turn = 0; turn < 2; turn++)
        {
            var failure = await MergeFails.WithAsync(
                MergeFails.UnsuitableTable, isTransient: false, () => merger.MergeAsync(id, Changes(("A", "é"))));
            Assert.Contains("encoding", failure.Message, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("UTF8", failure.Message, StringComparison.OrdinalIgnoreCase);
            Assert.Contains("PGCLIENTENCODING", failure.Message, StringComparison.Ordinal);
            Assert.EndsWith(" from the data source's initializer.", failure.Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    private static void Set(NpgsqlConnection connection, string encoding)
    {
#pragma warning disable CA2100 // The test's own.
        using var command = new NpgsqlCommand($"SET client_encoding TO '{encoding}'", connection);
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }
}
