using System.Security.Cryptography;
using Npgsql;

namespace StackEnv.Merge.Tests.Infrastructure;

/// <summary>A role of one test's own that may log in and look into its schema, and owns nothing.</summary>
internal sealed class TestRole : IAsyncDisposable
{
    private readonly TestDatabase _database;

    private TestRole(TestDatabase database, string name, string password)
    {
        _database = database;
        Name = name;
        Password = password;
        DataSource = database.DataSourceWith(settings => (settings.Username, settings.Password) = (name, password));
    }

    public string Name { get; }

    public string Password { get; }

    /// <summary>Logs in as this role.</summary>
    public NpgsqlDataSource DataSource { get; }

    public static async Task<TestRole> CreateAsync(TestDatabase database)
    {
        var name = $"r_{Guid.NewGuid():N}";
        var password = RandomNumberGenerator.GetHexString(32);
        await database.ExecuteAsync($"CREATE ROLE {name} LOGIN PASSWORD '{password}'");
        await database.ExecuteAsync($"GRANT USAGE ON SCHEMA {database.Schema} TO {name}");
        return new(database, name, password);
    }

    /// <summary>What a merge needs, and nothing else.</summary>
    public Task GrantMergingAsync(string table = "stacks") => _database.ExecuteAsync(
        $"GRANT SELECT (id, team_id, status, env_vars), UPDATE (env_vars, updated_at) ON {table} TO {Name}");

    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        await _database.ExecuteAsync($"DROP OWNED BY {Name}");
        await _database.ExecuteAsync($"DROP ROLE {Name}");
    }
}
