using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>A pooler that runs between mergers and their server.</summary>
internal interface IPooler : IAsyncDisposable
{
    /// <summary>A data source that goes through it.</summary>
    NpgsqlDataSource DataSource(Action<NpgsqlConnectionStringBuilder>? configure = null);

    /// <summary>Ends it as a crash would, and returns when it is gone.</summary>
    Task<string> KillAsync();
}
