using StackEnv.LocalPostgres;

namespace StackEnv.Samples.Api.Tests.Infrastructure;

/// <summary>A test with a schema of its own and an API of its own on it.</summary>
public abstract class ApiTest(params string[] settings) : IAsyncLifetime
{
    protected static readonly Guid AcmeTeam = new("11111111-1111-1111-1111-111111111111");
    protected static readonly Guid GlobexTeam = new("22222222-2222-2222-2222-222222222222");

    protected TestDatabase Database { get; private set; } = null!;

    protected RunningApi Api { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Database = await TestDatabase.CreateAsync();
        await Database.ExecuteAsync(Demo.Script.Split("INSERT INTO stacks")[0]);
        Api = await RunningApi.StartAsync(Database.ConnectionString, settings: settings);
    }

    public async Task DisposeAsync()
    {
        await Api.DisposeAsync();
        await Database.DisposeAsync();
    }

    protected Task<Guid> InsertAsync(string slug, string env = "{}", string status = "healthy", Guid? team = null) =>
        StacksTable.InsertAsync(Database.DataSource, slug, env, status, team ?? AcmeTeam);

    protected Task<long> AuditRowsAsync() => Database.ScalarAsync<long>("SELECT count(*) FROM audit_log");
}
