using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;

namespace StackEnv.LocalPostgres;

/// <summary>
/// The statements that PostgreSQL received over one data source, in its own words. The server is asked to log every statement and to send
/// its log lines to the client as well; Npgsql hands them to the data source's logger, which is this class. It takes a superuser.
/// </summary>
/// <remarks>Values are not recorded: they travel as parameters, which the server puts into a line's detail, never into the line.</remarks>
public sealed class StatementLog : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly List<string> _statements = [];

    private StatementLog(string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString) { NoResetOnClose = true };
        settings.Options = $"{settings.Options} -c log_statement=all -c client_min_messages=log".TrimStart();
        DataSource = new NpgsqlDataSourceBuilder(settings.ConnectionString).UseLoggerFactory(new NoticeLoggerFactory(this)).Build();
    }

    /// <summary>
    /// Whatever runs here is recorded. Its pool does not reset connections, so that nothing but the caller's own statements shows up.
    /// </summary>
    public NpgsqlDataSource DataSource { get; }

    /// <summary>Starts recording, after Npgsql's own first statements on the new data source.</summary>
    public static async Task<StatementLog> StartAsync(string connectionString, CancellationToken cancellationToken = default)
    {
        var log = new StatementLog(connectionString);
        try
        {
            await using var connection = await log.DataSource.OpenConnectionAsync(cancellationToken);
        }
        catch
        {
            await log.DisposeAsync();
            throw;
        }

        log.Clear();
        return log;
    }

    /// <summary>
    /// The statements since the last <see cref="Take"/> or <see cref="Clear"/>, in the order in which they were received; then forgets
    /// them.
    /// </summary>
    public IReadOnlyList<string> Take()
    {
        lock (_gate)
        {
            string[] taken = [.. _statements];
            _statements.Clear();
            return taken;
        }
    }

    /// <summary>Forgets the statements so far.</summary>
    public void Clear() => Take();

    /// <summary>Closes the data source.</summary>
    public ValueTask DisposeAsync() => DataSource.DisposeAsync();

    // "statement: …" (simple protocol), "execute <unnamed>: …", "execute _auto1: …" (extended protocol). Other log lines are no statements.
    private void Record(string line)
    {
        if (!line.StartsWith("statement: ", StringComparison.Ordinal) && !line.StartsWith("execute ", StringComparison.Ordinal))
        {
            return;
        }

        lock (_gate)
        {
            _statements.Add(line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..]);
        }
    }

    private sealed class NoticeLoggerFactory(StatementLog log) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) =>
            categoryName is "Npgsql.Connection" ? new NoticeLogger(log) : NullLogger.Instance;

        public void AddProvider(ILoggerProvider provider)
        {
            // There is one destination.
        }

        public void Dispose()
        {
            // Nothing is held.
        }
    }

    private sealed class NoticeLogger(StatementLog log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == NpgsqlEventId.ReceivedNotice
                && state is IEnumerable<KeyValuePair<string, object?>> fields
                && fields.FirstOrDefault(field => field.Key is "NoticeText").Value is string line)
            {
                log.Record(line);
            }
        }
    }
}
