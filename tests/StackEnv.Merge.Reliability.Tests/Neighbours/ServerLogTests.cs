namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>Where PostgreSQL's own log shows values of a merge, and the settings that keep them out.</summary>
public sealed class ServerLogTests : IAsyncLifetime
{
    private const string Secret = "planted-in-the-log";
    private const string LogStatements = "-c log_statement=all";
    private const string HideDetails = "-c log_error_verbosity=terse";

    private RestartableCluster _cluster = null!;
    private TestDatabase _database = null!;

    public async Task InitializeAsync()
    {
        _cluster = await RestartableCluster.StartAsync();
        _database = await TestDatabase.CreateAsync(_cluster.ConnectionString);
    }

    public async Task DisposeAsync()
    {
        await _database.DisposeAsync();
        await _cluster.DisposeAsync();
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("-c log_parameter_max_length=0", false)]
    public async Task Parameters_of_logged_statements(string options, bool areShown)
    {
        var logged = await LogOfAMergeAsync($"{LogStatements} {options}", fails: false);

        Assert.Contains("RETURNING", logged, StringComparison.Ordinal);
        Assert.Equal(areShown, logged.Contains(Secret, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", false)]
    [InlineData("-c log_parameter_max_length_on_error=-1", true)]
    public async Task Parameters_of_statements_that_fail(string options, bool areShown)
    {
        await _database.ExecuteAsync(Trigger.On("RAISE EXCEPTION 'no'"));

        var logged = await LogOfAMergeAsync(options, fails: true);

        Assert.Contains("ERROR:  no", logged, StringComparison.Ordinal);
        Assert.Equal(areShown, logged.Contains(Secret, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ALTER TABLE stacks ADD CONSTRAINT fits CHECK (NOT env_vars ? 'TOKEN')", "", true)]
    [InlineData("ALTER TABLE stacks ADD CONSTRAINT fits CHECK (NOT env_vars ? 'TOKEN')", HideDetails, false)]
    [InlineData("CREATE UNIQUE INDEX fits ON stacks ((env_vars ->> 'TOKEN'))", "", true)]
    [InlineData("CREATE UNIQUE INDEX fits ON stacks ((env_vars ->> 'TOKEN'))", HideDetails, false)]
    public async Task Details_of_an_error(string ddl, string options, bool areShown)
    {
        await _database.ExecuteAsync(ddl);
        await LogOfAMergeAsync("", fails: ddl.Contains("CHECK", StringComparison.Ordinal));

        var logged = await LogOfAMergeAsync(options, fails: true);

        Assert.Contains("\"fits\"", logged, StringComparison.Ordinal);
        Assert.Equal(areShown, logged.Contains(Secret, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_message_that_quotes_a_value_is_logged_whatever_the_settings_are()
    {
        await _database.ExecuteAsync(Trigger.On("RAISE EXCEPTION 'the set is %', NEW.env_vars"));

        var logged = await LogOfAMergeAsync($"-c log_parameter_max_length=0 {HideDetails}", fails: true);

        Assert.Contains(Secret, logged, StringComparison.Ordinal);
    }

    // The server writes a line before it answers.
    private async Task<string> LogOfAMergeAsync(string options, bool fails)
    {
        var id = await _database.InsertAsync();
        var before = (await _cluster.ReadLogAsync()).Length;
        await using (var dataSource = _database.DataSourceWith(settings => settings.Options = options))
        {
            var merger = new StackEnvMerger(dataSource);
            var failure = await Record.ExceptionAsync(
                () => merger.MergeAsync(id, new Dictionary<string, string?> { ["TOKEN"] = Secret }));
            Assert.Equal(fails, failure is StackEnvStoreException);
        }

        return (await _cluster.ReadLogAsync())[before..];
    }
}
