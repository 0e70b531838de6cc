using System.Net;
using System.Net.Sockets;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A login that fails has sent nothing of the merge. A retry may help, unless it is about who logs in, where, or with which options.
/// </summary>
public sealed class LoginTests : DatabaseTest
{
    [Theory]
    [InlineData("57P01")]
    [InlineData("57P02")]
    [InlineData("57P03")]
    [InlineData("53300")]
    [InlineData("53200")]
    [InlineData("25P03")]
    [InlineData("08P01")]
    [InlineData("08001")]
    [InlineData("08004")]
    [InlineData("08006")]
    [InlineData("XX000")]
    [InlineData("58000")]
    [InlineData("55000")]
    public Task A_full_or_failing_pooler_is_transient(string sqlState) => RefuseAsync(sqlState, routine: null, isTransient: true);

    [Theory]
    [InlineData("57P03")]
    [InlineData("53300")]
    public Task A_server_that_is_full_or_starting_is_transient(string sqlState) =>
        RefuseAsync(sqlState, "ProcessStartupPacket", isTransient: true);

    [Theory]
    [InlineData("28P01")]
    [InlineData("28000")]
    [InlineData("3D000")]
    [InlineData("42704")]
    [InlineData("42501")]
    [InlineData("22023")]
    public async Task Credentials_the_databases_name_and_the_options_are_not(string sqlState)
    {
        await RefuseAsync(sqlState, routine: null, isTransient: false);
        await RefuseAsync(sqlState, routine: "auth_failed", isTransient: false);
    }

    [Theory]
    [InlineData("Database", "nowhere_to_be_found")]
    [InlineData("Username", "stackenv_unknown_role")]
    [InlineData("Options", "-c nonsense=1")]
    [InlineData("Options", "-c statement_timeout=nonsense")]
    public async Task A_server_that_refuses_the_settings_is_permanent(string setting, string value)
    {
        var id = await Database.InsertAsync();
        await using var dataSource = Database.DataSourceWith(settings => settings[setting] = value);

        await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: false, () => new StackEnvMerger(dataSource).MergeAsync(id, Changes(("A", "1"))));
    }

    [Fact]
    public async Task A_role_that_has_used_all_its_connections_is_transient()
    {
        var id = await Database.InsertAsync();
        await using var role = await Infrastructure.TestRole.CreateAsync(Database);
        await role.GrantMergingAsync();
        await Database.ExecuteAsync($"ALTER ROLE {role.Name} CONNECTION LIMIT 0");

        await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () => new StackEnvMerger(role.DataSource).MergeAsync(id, Changes(("A", "1"))));

        await Database.ExecuteAsync($"ALTER ROLE {role.Name} CONNECTION LIMIT -1");
        Assert.True((await new StackEnvMerger(role.DataSource).MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 0)]
    [InlineData(true, 2)]
    public async Task A_pooler_that_closes_during_login_without_a_message_is_transient(bool fromServer, int message)
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(Database.ConnectionString);
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource);
        proxy.Arm(new(fromServer, message, Offset: 0, WireAction.Close));

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal("{}", await Database.EnvAsync(id));
        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Theory]
    [InlineData("08P01")]
    [InlineData("57P01")]
    [InlineData("XX000")]
    public async Task A_pooler_that_accepts_the_client_and_then_finds_no_server_for_the_drivers_own_query_is_transient(string sqlState)
    {
        var id = await Database.InsertAsync();
        var (proxy, dataSource) = WireProxy.InFrontOf(
            Database.ConnectionString, static settings => settings.ApplicationName = $"no type is known yet {Guid.NewGuid()}");
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource);
        proxy.Arm(WireFault.BeforeClient("pg_type", WireAction.Close) with { Says = [WireMessage.Fatal(sqlState)] });

        await MergeFails.WithAsync(MergeFails.StoreError, isTransient: true, () => merger.MergeAsync(id, Changes(("A", "1"))));

        await proxy.Struck.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("{}", await Database.EnvAsync(id));
        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_closed_port_is_transient()
    {
        using var free = new TcpListener(IPAddress.Loopback, 0);
        free.Start();
        var port = ((IPEndPoint)free.LocalEndpoint).Port;
        free.Stop();
        await using var dataSource = Database.DataSourceWith(settings => (settings.Host, settings.Port) = ("127.0.0.1", port));

        await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient: true, () => new StackEnvMerger(dataSource).MergeAsync(Guid.NewGuid(), Changes(("A", "1"))));
    }

    // The proxy stands in front of a server that is not there, as it is not asked.
    private async Task RefuseAsync(string sqlState, string? routine, bool isTransient)
    {
        var (proxy, dataSource) = WireProxy.InFrontOf("Host=127.0.0.1;Port=1;Username=any;Password=any;Database=any");
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        var merger = new StackEnvMerger(dataSource);
        proxy.LoginRefusal = WireMessage.Fatal(sqlState, routine);

        var failure = await MergeFails.WithAsync(
            MergeFails.StoreError, isTransient, () => merger.MergeAsync(Guid.NewGuid(), Changes(("A", "1"))));

        Assert.Equal(sqlState, ((StackEnvStoreException)failure).SqlState);

        // The same where one connection was open before.
        var id = await Database.InsertAsync();
        await using var lane = await ProxiedAsync(id);
        lane.DataSource.Clear();
        lane.Proxy.LoginRefusal = WireMessage.Fatal(sqlState, routine);
        await MergeFails.WithAsync(MergeFails.StoreError, isTransient, () => lane.Merger.MergeAsync(id, Changes(("A", "1"))));
        Assert.Equal("{}", await Database.EnvAsync(id));
        lane.Proxy.LoginRefusal = null;
        Assert.True((await lane.Merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }
}
