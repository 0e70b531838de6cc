using System.Diagnostics;
using Npgsql;

namespace StackEnv.Samples.Worker.Tests.Infrastructure;

/// <summary>A test with a schema of its own, on which workers run.</summary>
public abstract class WorkerTest : DatabaseTest
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(40);

    /// <summary>Starts a worker; its sessions bear the name.</summary>
    protected Task<WorkerProcess> StartWorkerAsync(string name, params (string Name, string Value)[] options) => WorkerProcess.StartAsync(
    [
        ("ConnectionStrings__Database", new NpgsqlConnectionStringBuilder(Database.ConnectionString)
        {
            ApplicationName = SessionsOf(name),
            MaxPoolSize = 8, // no more than there are consumers
        }.ConnectionString),
        .. options.Select(static option => ($"Worker__{option.Name}", option.Value)),
    ]);

    /// <summary>The application name of a worker's sessions.</summary>
    protected string SessionsOf(string name) => $"{Database.Schema}-{name}";

    protected async Task<long> RequestAsync(Guid stack, string changes) => await Database.ScalarAsync<long>(
        "INSERT INTO env_change_requests (stack_id, changes) VALUES ($1, $2::jsonb) RETURNING id", stack, changes);

    /// <summary>What a user sees of a request: its status and what else there is to say.</summary>
    protected async Task<string> StateAsync(long request) => (await Database.ScalarAsync<string>(
        "SELECT concat_ws(' ', status, error_code, keys_set || '+' || keys_deleted || '-' || total_after) FROM env_change_requests WHERE " +
        "id = $1",
        request))!;

    /// <summary>Waits for the final state of a request.</summary>
    protected async Task<string> OutcomeAsync(long request)
    {
        await UntilAsync("SELECT status <> 'pending' FROM env_change_requests WHERE id = $1", request);
        return await StateAsync(request);
    }

    /// <summary>Waits until a query answers with true.</summary>
    protected async Task UntilAsync(string sql, params object[] values)
    {
        var started = Stopwatch.GetTimestamp();
        while (!await Database.ScalarAsync<bool>(sql, values))
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Limit, $"It did not come to: {sql}");
            await Task.Delay(10);
        }
    }
}
