using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace StackEnv.Merge.Tests;

/// <summary>How a host plugs the merger in.</summary>
public sealed class ServiceCollectionTests : DatabaseTest
{
    [Fact]
    public async Task The_merger_uses_the_hosts_data_source_and_logger_and_is_a_singleton()
    {
        var id = await Database.InsertAsync();
        using var logs = new FakeLoggerProvider();
        await using var provider = new ServiceCollection()
            .AddSingleton(Database.DataSource)
            .AddSingleton<ILoggerFactory>(new LoggerFactory([logs], new LoggerFilterOptions { MinLevel = LogLevel.Debug }))
            .AddSingleton(typeof(ILogger<>), typeof(Logger<>))
            .AddStackEnvMerge()
            .BuildServiceProvider();

        var merger = provider.GetRequiredService<IStackEnvMerger>();
        await merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Same(merger, provider.GetRequiredService<IStackEnvMerger>());
        Assert.Equal(("StackEnv.Merge.StackEnvMerger", 1), (logs.Collector.LatestRecord.Category, logs.Collector.LatestRecord.Id.Id));
    }

    [Fact]
    public async Task The_data_source_stays_the_hosts()
    {
        var id = await Database.InsertAsync();
        var provider = new ServiceCollection().AddSingleton(_ => Database.DataSource).AddStackEnvMerge().BuildServiceProvider();
        var services = new ServiceCollection().AddSingleton(Database.DataSource).AddStackEnvMerge();
        await using (var other = services.BuildServiceProvider())
        {
            await other.GetRequiredService<IStackEnvMerger>().MergeAsync(id, Changes(("A", "1")));
        }

        await provider.GetRequiredService<IStackEnvMerger>().MergeAsync(id, Changes(("A", "2")));
        Assert.Equal("""{"A": "2"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task Options_can_be_set()
    {
        await Database.ExecuteAsync("INSERT INTO stacks (slug) VALUES ('shop')");
        await using var provider = new ServiceCollection()
            .AddSingleton(Database.DataSource)
            .AddStackEnvMerge(static options => options.KeyColumn = "slug")
            .BuildServiceProvider();

        Assert.True((await provider.GetRequiredService<IStackEnvMerger>().MergeAsync("shop", Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task Each_key_has_its_own_database()
    {
        await using var elsewhere = await TestDatabase.CreateAsync();
        var here = await Database.InsertAsync();
        var there = await elsewhere.InsertAsync();
        await using var provider = new ServiceCollection()
            .AddKeyedSingleton("eu", Database.DataSource)
            .AddKeyedSingleton("us", elsewhere.DataSource)
            .AddKeyedStackEnvMerge("eu")
            .AddKeyedStackEnvMerge("us", static options => options.LockTimeout = TimeSpan.FromSeconds(1))
            .BuildServiceProvider();

        await provider.GetRequiredKeyedService<IStackEnvMerger>("eu").MergeAsync(here, Changes(("A", "eu")));
        await provider.GetRequiredKeyedService<IStackEnvMerger>("us").MergeAsync(there, Changes(("A", "us")));

        Assert.Equal("""{"A": "eu"}""", await Database.EnvAsync(here));
        Assert.Equal("""{"A": "us"}""", await elsewhere.EnvAsync(there));
        Assert.Null(provider.GetService<IStackEnvMerger>());
    }

    [Fact]
    public async Task Journals_that_are_registered_run_in_their_order_and_those_of_a_key_for_that_key_alone()
    {
        var id = await Database.InsertAsync();
        var ran = new List<string>();
        Journal Named(string name) => new((_, _) =>
        {
            ran.Add(name);
            return [];
        });
        await using var provider = new ServiceCollection()
            .AddSingleton(Database.DataSource)
            .AddSingleton<IStackEnvMergeJournal>(Named("first"))
            .AddSingleton<IStackEnvMergeJournal>(Named("second"))
            .AddStackEnvMerge()
            .AddKeyedSingleton("eu", Database.DataSource)
            .AddKeyedSingleton<IStackEnvMergeJournal>("eu", Named("eu"))
            .AddKeyedStackEnvMerge("eu")
            .BuildServiceProvider();

        await provider.GetRequiredService<IStackEnvMerger>().MergeAsync(id, Changes(("A", "1")));
        await provider.GetRequiredKeyedService<IStackEnvMerger>("eu").MergeAsync(id, Changes(("A", "2")));

        Assert.Equal(["first", "second", "eu"], ran);
    }

    [Fact]
    public async Task A_missing_data_source_says_what_to_register()
    {
        await using var provider = new ServiceCollection().AddStackEnvMerge().AddKeyedStackEnvMerge("eu").BuildServiceProvider();

        var missing = Assert.Throws<InvalidOperationException>(() => provider.GetRequiredService<IStackEnvMerger>());
        var keyed = Assert.Throws<InvalidOperationException>(() => provider.GetRequiredKeyedService<IStackEnvMerger>("eu"));

        Assert.Contains("services.AddNpgsqlDataSource(connectionString)", missing.Message, StringComparison.Ordinal);
        Assert.Contains("an NpgsqlDataSource of the key 'eu'", keyed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Invalid_options_fail_when_the_merger_is_made()
    {
        await using var provider = new ServiceCollection()
            .AddSingleton(Database.DataSource)
            .AddStackEnvMerge(static options => options.Table = "")
            .BuildServiceProvider();

        Assert.Throws<ArgumentException>("options", () => provider.GetRequiredService<IStackEnvMerger>());
    }

    [Fact]
    public void A_hosts_own_merger_is_not_replaced()
    {
        var services = new ServiceCollection().AddSingleton<IStackEnvMerger>(Database.Merger).AddStackEnvMerge().AddStackEnvMerge();

        Assert.Single(services, static service => service.ServiceType == typeof(IStackEnvMerger));
    }

    [Fact]
    public async Task Options_can_be_set_from_the_hosts_services()
    {
        await Database.ExecuteAsync("INSERT INTO stacks (slug) VALUES ('shop')");
        await using var provider = new ServiceCollection()
            .AddSingleton(Database.DataSource)
            .AddSingleton("slug")
            .AddStackEnvMerge(static (services, options) => options.KeyColumn = services.GetRequiredService<string>())
            .AddKeyedSingleton("eu", Database.DataSource)
            .AddKeyedStackEnvMerge("eu", static (services, options) => options.KeyColumn = services.GetRequiredService<string>())
            .BuildServiceProvider();

        Assert.True((await provider.GetRequiredService<IStackEnvMerger>().MergeAsync("shop", Changes(("A", "1")))).Changed);
        Assert.True((await provider.GetRequiredKeyedService<IStackEnvMerger>("eu").MergeAsync("shop", Changes(("A", "2")))).Changed);
    }

    [Fact]
    public async Task Options_can_be_bound_to_the_configuration_which_can_replace_the_statuses()
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["StackEnvMerge:KeyColumn"] = "slug",
            ["StackEnvMerge:LockTimeout"] = "00:00:01",
            ["StackEnvMerge:DeletingStatuses:0"] = "gone",
        }).Build();
        await Database.ExecuteAsync(
            "ALTER TABLE stacks DROP CONSTRAINT stacks_status_check; " +
            "INSERT INTO stacks (slug, status) VALUES ('shop', 'deleting'), ('cafe', 'gone')");
        await using var bound = new ServiceCollection()
            .AddSingleton(Database.DataSource)
            .AddStackEnvMerge(configuration.GetSection("StackEnvMerge").Bind)
            .BuildServiceProvider();
        await using var replaced = new ServiceCollection()
            .AddSingleton(Database.DataSource)
            .AddStackEnvMerge(options =>
            {
                options.DeletingStatuses.Clear();
                configuration.GetSection("StackEnvMerge").Bind(options);
            })
            .BuildServiceProvider();
        var (adding, replacing) = (bound.GetRequiredService<IStackEnvMerger>(), replaced.GetRequiredService<IStackEnvMerger>());

        await Assert.ThrowsAsync<StackDeletingException>(() => adding.MergeAsync("shop", Changes(("A", "1"))));
        await Assert.ThrowsAsync<StackDeletingException>(() => adding.MergeAsync("cafe", Changes(("A", "1"))));
        Assert.True((await replacing.MergeAsync("shop", Changes(("A", "1")))).Changed);
        await Assert.ThrowsAsync<StackDeletingException>(() => replacing.MergeAsync("cafe", Changes(("A", "1"))));
    }

    [Fact]
    public void Options_that_would_be_ignored_are_refused()
    {
        var services = new ServiceCollection().AddStackEnvMerge().AddStackEnvMerge().AddKeyedStackEnvMerge("eu");

        Assert.Throws<InvalidOperationException>(() => services.AddStackEnvMerge(static options => options.Table = "apps"));
        Assert.Throws<InvalidOperationException>(() => services.AddStackEnvMerge(static (_, options) => options.Table = "apps"));
        var keyed = Assert.Throws<InvalidOperationException>(
            () => services.AddKeyedStackEnvMerge("eu", static options => options.Table = "apps"));
        Assert.Contains("the key 'eu'", keyed.Message, StringComparison.Ordinal);
        Assert.Equal(3, services.AddKeyedStackEnvMerge("us", static options => options.Table = "apps").Count);
    }

    [Fact]
    public void A_hosts_own_merger_is_not_replaced_whatever_the_options()
    {
        var services = new ServiceCollection()
            .AddSingleton<IStackEnvMerger>(Database.Merger)
            .AddStackEnvMerge(static options => options.Table = "apps")
            .AddStackEnvMerge(static options => options.Table = "apps");

        Assert.Single(services);
    }

    [Fact]
    public async Task One_registration_serves_every_key_each_with_its_own_database()
    {
        await using var elsewhere = await TestDatabase.CreateAsync();
        var (here, there) = (await Database.InsertAsync(), await elsewhere.InsertAsync());
        await using var provider = new ServiceCollection()
            .AddKeyedSingleton("eu", Database.DataSource)
            .AddKeyedSingleton("us", elsewhere.DataSource)
            .AddKeyedStackEnvMerge(KeyedService.AnyKey)
            .BuildServiceProvider();

        await provider.GetRequiredKeyedService<IStackEnvMerger>("eu").MergeAsync(here, Changes(("A", "eu")));
        await provider.GetRequiredKeyedService<IStackEnvMerger>("us").MergeAsync(there, Changes(("A", "us")));

        Assert.Equal("""{"A": "eu"}""", await Database.EnvAsync(here));
        Assert.Equal("""{"A": "us"}""", await elsewhere.EnvAsync(there));
        Assert.Contains(
            "of the key 'asia'",
            Assert.Throws<InvalidOperationException>(() => provider.GetRequiredKeyedService<IStackEnvMerger>("asia")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_journal_of_any_key_would_run_with_no_merger_and_is_refused()
    {
        await using var provider = new ServiceCollection()
            .AddKeyedSingleton("eu", Database.DataSource)
            .AddKeyedStackEnvMerge("eu")
            .AddKeyedSingleton<IStackEnvMergeJournal>(KeyedService.AnyKey, Journal.Silent)
            .BuildServiceProvider();

        Assert.Throws<InvalidOperationException>(() => provider.GetRequiredKeyedService<IStackEnvMerger>("eu"));
    }

    [Fact]
    public void Missing_services_are_a_misuse()
    {
        Assert.Throws<ArgumentNullException>("services", static () => ((IServiceCollection)null!).AddStackEnvMerge());
        Assert.Throws<ArgumentNullException>("services", static () => ((IServiceCollection)null!).AddKeyedStackEnvMerge("eu"));
        Assert.Throws<ArgumentNullException>(
            "configure", static () => new ServiceCollection().AddStackEnvMerge((Action<IServiceProvider, StackEnvMergeOptions>)null!));
        Assert.Throws<ArgumentNullException>(
            "configure",
            static () => new ServiceCollection().AddKeyedStackEnvMerge("eu", (Action<IServiceProvider, StackEnvMergeOptions>)null!));
    }
}
