using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>What the campaign takes for granted of its proxy.</summary>
public sealed class WireProxyTests : DatabaseTest, IAsyncLifetime
{
    private WireProxy _proxy = null!;
    private NpgsqlDataSource _dataSource = null!;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        (_proxy, _dataSource) = WireProxy.InFrontOf(Database.ConnectionString, static settings => settings.NoResetOnClose = true);
        await SelectAsync();
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        await _dataSource.DisposeAsync();
        await _proxy.DisposeAsync();
        await DisposeAsync();
    }

    [Fact]
    public async Task Messages_are_counted_on_either_side()
    {
        _proxy.Arm(fault: null);

        await SelectAsync();

        // Parse, Bind, Describe, Execute, Sync; ParseComplete, BindComplete, RowDescription, DataRow, CommandComplete, ReadyForQuery.
        Assert.Equal((5, 6), _proxy.Messages);
    }

    [Theory]
    [InlineData(WireAction.Close, false)]
    [InlineData(WireAction.Close, true)]
    [InlineData(WireAction.Reset, false)]
    [InlineData(WireAction.Reset, true)]
    [InlineData(WireAction.HalfClose, false)]
    [InlineData(WireAction.HalfClose, true)]
    public async Task A_connection_is_lost_at_the_message_that_is_asked_for(WireAction action, bool fromServer)
    {
        _proxy.Arm(new(fromServer, Message: 4, Offset: 3, action));

        await Assert.ThrowsAsync<NpgsqlException>(SelectAsync);

        await _proxy.Struck.WaitAsync(TimeSpan.FromSeconds(10));
        await SelectAsync();
    }

    [Theory]
    [InlineData(WireAction.Hold)]
    [InlineData(WireAction.Blackhole)]
    public async Task What_is_held_back_arrives_when_it_is_released(WireAction action)
    {
        _proxy.Arm(new(FromServer: true, Message: 3, Offset: 1, action));
        var selecting = SelectAsync();
        var process = await _proxy.Struck;
        Assert.Equal(_proxy.NewestProcess, process);
        Assert.False(selecting.IsCompleted);

        _proxy.Release(deliver: true);

        await selecting;
        Assert.Equal(process, _proxy.NewestProcess);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Who_is_silenced_is_not_heard_until_the_connection_is_given_up(bool fromServer)
    {
        _proxy.Arm(new(fromServer, Message: 4, Offset: 0, WireAction.Silence));
        var selecting = SelectAsync();
        await _proxy.Struck;
        Assert.False(selecting.IsCompleted);

        _proxy.Release(deliver: true);

        await Assert.ThrowsAsync<NpgsqlException>(() => selecting);
    }

    private async Task SelectAsync()
    {
        await using var command = _dataSource.CreateCommand("SELECT 1");
        Assert.Equal(1, await command.ExecuteScalarAsync());
    }
}
