using DotNet.Testcontainers.Builders;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Testcontainers.PostgreSql;

namespace StackEnv.LocalPostgres;

/// <summary>
/// A PostgreSQL for samples and tests: the one that <c>STACKENV_POSTGRES</c> names, else an ephemeral cluster of the server binaries that
/// <c>STACKENV_POSTGRES_BIN</c> names, else one in Docker, else an ephemeral cluster of the installed server binaries. If there is none,
/// the exception explains how to get one; nothing is ever skipped.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    /// <summary>The environment variable that may hold the connection string of a server to use.</summary>
    public const string EnvironmentVariable = "STACKENV_POSTGRES";

    private const string DockerImage = "postgres:18-alpine";

    private readonly IAsyncDisposable? _owned;

    private PostgresServer(string connectionString, string origin, IAsyncDisposable? owned)
    {
        ConnectionString = connectionString;
        Origin = origin;
        _owned = owned;
    }

    /// <summary>Opens the server's database, with the rights of a superuser unless the server is the caller's own.</summary>
    public string ConnectionString { get; }

    /// <summary>Where the server came from, as a phrase for people.</summary>
    public string Origin { get; }

    /// <summary>Finds a server or starts one; what was started ends with <see cref="DisposeAsync"/>, or with this process.</summary>
    /// <param name="durable">Whether an ephemeral cluster is to sync its commits to the disk, as one in production does.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="InvalidOperationException">
    /// There is none, or the one that was asked for does not answer; the message says what to do.
    /// </exception>
    public static async Task<PostgresServer> FindOrStartAsync(bool durable = false, CancellationToken cancellationToken = default)
    {
        if (Environment.GetEnvironmentVariable(EnvironmentVariable) is { Length: > 0 } configured)
        {
            return await UseConfiguredAsync(configured, cancellationToken);
        }

        if (await ServerBinaries.FindConfiguredAsync(cancellationToken) is { } chosen)
        {
            return await RunAsync(chosen, durable, cancellationToken);
        }

        var (container, dockerFailure) = await TryDockerAsync(cancellationToken);
        if (container is not null)
        {
            return new PostgresServer(container.GetConnectionString(), $"Docker, image {DockerImage}", container);
        }

        if (await ServerBinaries.FindNewestAsync(cancellationToken) is not { } binaries)
        {
            throw new InvalidOperationException(Installation.Advice(dockerFailure), dockerFailure);
        }

        return await RunAsync(binaries, durable, cancellationToken);
    }

    /// <summary>Stops the server and removes what it left, if this instance started it.</summary>
    public ValueTask DisposeAsync() => _owned?.DisposeAsync() ?? ValueTask.CompletedTask;

    private static async Task<PostgresServer> UseConfiguredAsync(string connectionString, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync(cancellationToken);
            return new PostgresServer(connectionString, $"{EnvironmentVariable}, PostgreSQL {connection.PostgreSqlVersion}", owned: null);
        }
        catch (Exception exception) when (exception is NpgsqlException or ArgumentException or TimeoutException)
        {
            throw new InvalidOperationException(
                $"{EnvironmentVariable} is set, but it does not open a PostgreSQL ({exception.Message.TrimEnd('.')}). " +
                "Set it to an Npgsql connection string (Host=…;Username=…;Password=…;Database=…), or unset it.",
                exception);
        }
    }

    private static async Task<PostgresServer> RunAsync(ServerBinaries binaries, bool durable, CancellationToken cancellationToken)
    {
        var cluster = await EphemeralCluster.StartAsync(binaries, durable: durable, cancellationToken: cancellationToken);
        return new PostgresServer(cluster.ConnectionString, $"an ephemeral cluster of {binaries.Folder} ({binaries.Version})", cluster);
    }

    private static async Task<(PostgreSqlContainer? Container, Exception? Failure)> TryDockerAsync(CancellationToken cancellationToken)
    {
        PostgreSqlContainer? container = null;
        try
        {
            container = new PostgreSqlBuilder(DockerImage)
                .WithCommand("-c", "max_connections=300")
                .WithLogger(NullLogger.Instance)
                .Build();
            await container.StartAsync(cancellationToken);
            return (container, null);
        }
        catch (DockerUnavailableException)
        {
            return (null, null);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // An engine that cannot give the image (no network, no room) is no reason to give up while there are server binaries.
            if (container is not null)
            {
                await container.DisposeAsync();
            }

            return (null, exception);
        }
    }
}
