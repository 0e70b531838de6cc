using System.Diagnostics.CodeAnalysis;
using Npgsql;

namespace StackEnv.LocalPostgres;

/// <summary>
/// A schema of a sample's own with the table of stacks in it, which goes away with it: the server may be one that holds other things.
/// </summary>
[SuppressMessage("Security", "CA2100", Justification = "The SQL is the samples' own.")]
public sealed class SampleSchema : IAsyncDisposable
{
    private SampleSchema(string serverConnectionString, string name)
    {
        Name = name;
        ConnectionString = new NpgsqlConnectionStringBuilder(serverConnectionString) { SearchPath = name }.ConnectionString;
        DataSource = NpgsqlDataSource.Create(ConnectionString);
    }

    public string Name { get; }

    /// <summary>Opens the schema.</summary>
    public string ConnectionString { get; }

    public NpgsqlDataSource DataSource { get; }

    /// <summary>Creates the schema and the table.</summary>
    public static async Task<SampleSchema> CreateAsync(
        string serverConnectionString, string name, CancellationToken cancellationToken = default)
    {
        var schema = new SampleSchema(serverConnectionString, name);
        await schema.ExecuteAsync($"CREATE SCHEMA {name}");
        await StacksTable.CreateAsync(schema.DataSource, cancellationToken: cancellationToken);
        return schema;
    }

    public async Task ExecuteAsync(string sql)
    {
        await using var command = DataSource.CreateCommand(sql);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>Drops the schema with all that is in it.</summary>
    public async ValueTask DisposeAsync()
    {
        await ExecuteAsync($"DROP SCHEMA {Name} CASCADE");
        await DataSource.DisposeAsync();
    }
}
