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
    public async Task A_silenced_side_is_not_heard_until_the_connection_is_given_up(bool fromServer)
    {
        _proxy.Arm(new(fromServer, Message: 4, Offset: 0, WireAction.Silence));
        var selecting = SelectAsync();
        await _proxy.Struck;
        Assert.False(selecting.IsCompleted);

        _proxy.Release(deliver: true);

        await Assert.ThrowsAsync<NpgsqlException>(() => selecting);
    }

    [Fact]
    public async Task A_fault_can_wait_for_a_text_and_for_the_end_of_its_message()
    {
        _proxy.Arm(WireFault.BeforeClient("never sent", WireAction.Close));
        await SelectAsync();
        Assert.False(_proxy.HasStruck);

        // The tag arrives, and then the end of the connection.
        _proxy.Arm(WireFault.AfterServer("SELECT 1", WireAction.Close));
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection) { BatchCommands = { new("SELECT 1") } };
        await Assert.ThrowsAsync<NpgsqlException>(() => batch.ExecuteNonQueryAsync());
        Assert.Equal(StatementType.Select, batch.BatchCommands[0].StatementType);
    }

    [Fact]
    public async Task A_round_trip_is_counted_when_the_client_sends_after_it_has_heard_from_the_server()
    {
        _proxy.Arm(fault: null);

        await SelectAsync();
        await SelectAsync();

        Assert.Equal(2, _proxy.RoundTrips);
    }

    [Fact]
    public async Task A_login_can_be_refused_without_the_server()
    {
        var (proxy, dataSource) = WireProxy.InFrontOf("Host=127.0.0.1;Port=1;Username=any;Password=any");
        await using var disposeProxy = proxy;
        await using var disposeDataSource = dataSource;
        proxy.LoginRefusal = WireMessage.Fatal("53300", text: "no more connections allowed");

        var failure = await Assert.ThrowsAsync<PostgresException>(() => dataSource.OpenConnectionAsync().AsTask());

        Assert.Equal(
            ("53300", "no more connections allowed", "FATAL", null),
            (failure.SqlState, failure.MessageText, failure.Severity, failure.Routine));
        proxy.LoginRefusal = null;
        proxy.PointTo(Database.ConnectionString);
        await Assert.ThrowsAsync<PostgresException>(() => dataSource.OpenConnectionAsync().AsTask());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_said_in_place_of_the_answer_hides_what_the_server_has_done(bool staysOpen)
    {
        await Database.ExecuteAsync("CREATE TABLE log (entry int)");
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var insert = new NpgsqlCommand("INSERT INTO log VALUES (1)", connection);
        WireMessage[] says = [WireMessage.Warning("01000", "SomeRoutine"), WireMessage.Fatal("57P01", where: "in a pooler", position: 7)];
        if (staysOpen)
        {
            _proxy.SayInsteadOfAndStayOpen("INSERT 0 1", says);
        }
        else
        {
            _proxy.SayInsteadOf("INSERT 0 1", says);
        }

        var notices = new List<PostgresNotice>();
        connection.Notice += (_, notice) => notices.Add(notice.Notice);
        var failure = await Assert.ThrowsAsync<PostgresException>(() => insert.ExecuteNonQueryAsync());

        Assert.Equal(("57P01", "in a pooler", 7), (failure.SqlState, failure.Where, failure.Position));
        Assert.Equal(("01000", "SomeRoutine"), (Assert.Single(notices).SqlState, notices[0].Routine));
        Assert.Equal(1, await Database.ScalarAsync<long>("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task A_connection_that_stays_open_is_usable_again()
    {
        await using var connection = await _dataSource.OpenConnectionAsync();
        await using var command = new NpgsqlCommand("SELECT 1", connection);
        _proxy.SayInsteadOfAndStayOpen("", WireMessage.Error("40001"));
        await Assert.ThrowsAsync<PostgresException>(() => command.ExecuteScalarAsync());

        Assert.Equal(System.Data.ConnectionState.Open, connection.FullState);
        Assert.Equal(1, await command.ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_notice_and_another_row_can_be_slipped_in()
    {
        await using var connection = await _dataSource.OpenConnectionAsync();
        var notices = 0;
        connection.Notice += (_, _) => notices++;
        await using var command = new NpgsqlCommand("SELECT 'the row'", connection);
        _proxy.SayBefore("the row", WireMessage.Warning("01000"));
        Assert.Equal("the row", await command.ExecuteScalarAsync());
        Assert.Equal(1, notices);

        _proxy.Arm(WireFault.BeforeServer("the row", WireAction.Drop) with { Says = [WireMessage.Row("another"u8.ToArray())] });
        Assert.Equal("another", await command.ExecuteScalarAsync());
    }

    private async Task SelectAsync()
    {
        await using var command = _dataSource.CreateCommand("SELECT 1");
        Assert.Equal(1, await command.ExecuteScalarAsync());
    }
}
