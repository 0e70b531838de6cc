using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Samples.Api.Load;

/// <summary>
/// As many callers as connections, each with keys of its own, so that the value of each key at the end is known: what its only writer
/// last got as committed. Another caller tears stacks down and inserts new ones in their places.
/// </summary>
internal sealed class Callers : IDisposable
{
    private const int KeysOfACaller = 5;

    private readonly HttpClient _client;
    private readonly int _connections;
    private readonly NpgsqlDataSource _database;
    private readonly LoadedStack[] _active;
    private readonly ConcurrentBag<LoadedStack> _all = [];

    public Callers(Uri url, string token, int connections, int stacks, NpgsqlDataSource database)
    {
        _connections = connections;
        _database = database;
        _active = new LoadedStack[stacks];
        _client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = connections + 1 }) { BaseAddress = url };
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public Report Report { get; } = new();

    public IReadOnlyCollection<LoadedStack> Stacks => _all;

    public async Task RunAsync(TimeSpan duration)
    {
        for (var slot = 0; slot < _active.Length; slot++)
        {
            _active[slot] = await CreateAsync();
        }

        using var stop = new CancellationTokenSource(duration);
        var started = Stopwatch.GetTimestamp();
        await Task.WhenAll(
            [TearDownAsync(duration / _active.Length, stop.Token), .. Enumerable.Range(0, _connections).Select(
                caller => CallAsync(caller, stop.Token))]);
        Report.Elapsed = Stopwatch.GetElapsedTime(started);
    }

    public void Dispose() => _client.Dispose();

    private async Task CallAsync(int caller, CancellationToken stop)
    {
        var random = new Random(caller);
        for (var number = 0; !stop.IsCancellationRequested; number++)
        {
            var stack = _active[random.Next(_active.Length)];
            var key = $"C{caller}_{random.Next(KeysOfACaller)}";
            var value = random.Next(4) == 0 ? null : $"{caller}-{number}";
            await PatchAsync(stack, key, value);
        }
    }

    private async Task PatchAsync(LoadedStack stack, string key, string? value)
    {
        var sentAfterTheFlip = stack.IsTornDown;
        using var body = Body(new Dictionary<string, object> { ["env"] = new Dictionary<string, string?> { [key] = value } });
        var started = Stopwatch.GetTimestamp();
        using var response = await _client.PatchAsync(new Uri($"/stacks/{stack.Slug}/env", UriKind.Relative), body);
        var answer = await response.Content.ReadFromJsonAsync<JsonElement>();
        var error = response.IsSuccessStatusCode ? "" : answer.GetProperty("error").GetString()!;
        Report.Add(Stopwatch.GetElapsedTime(started), response.StatusCode, error);

        switch (response.StatusCode, error)
        {
            case (HttpStatusCode.OK, _):
                stack.Accepted(key, value, answer.GetProperty("keys_set").GetInt32(), answer.GetProperty("keys_deleted").GetInt32());
                if (sentAfterTheFlip)
                {
                    stack.Violations.Add($"{stack.Slug}: a merge was accepted that was sent after the teardown was answered.");
                }

                break;
            case (_, "outcome_unknown"):
                stack.Uncertain(key);
                break;
            case (HttpStatusCode.Conflict, _) when !stack.IsBeingTornDown:
                stack.Violations.Add($"{stack.Slug}: a merge was refused, but no teardown had been asked for.");
                break;
        }
    }

    // Each slot's stack once, over the whole time.
    private async Task TearDownAsync(TimeSpan interval, CancellationToken stop)
    {
        for (var slot = 0; slot < _active.Length; slot++)
        {
            await Task.Delay(interval / 2, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.IsCancellationRequested)
            {
                return;
            }

            var stack = _active[slot];
            stack.IsBeingTornDown = true;
            await TearDownAsync(stack.Slug);
            Report.AddTornDown();

            // The callers go on for a moment, so that merges meet the torn-down stack.
            stack.IsTornDown = true;
            await Task.Delay(interval / 2, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _active[slot] = await CreateAsync();
        }
    }

    private async Task TearDownAsync(string slug)
    {
        await using var command = _database.CreateCommand(
            "UPDATE stacks SET status = 'deleting', updated_at = clock_timestamp() WHERE slug = $1");
        command.Parameters.Add(new() { Value = slug });
        await command.ExecuteNonQueryAsync();
    }

    private async Task<LoadedStack> CreateAsync()
    {
        var stack = new LoadedStack($"stack-{_all.Count}");
        await StacksTable.InsertAsync(_database, stack.Slug, team: new Guid("11111111-1111-1111-1111-111111111111"));
        _all.Add(stack);
        return stack;
    }

    private static StringContent Body(object value) => new(JsonSerializer.Serialize(value), Encoding.UTF8, "application/json");
}
