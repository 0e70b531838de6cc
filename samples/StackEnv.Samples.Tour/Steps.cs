using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Npgsql;
using StackEnv.LocalPostgres;
using StackEnv.Merge;

namespace StackEnv.Samples.Tour;

/// <summary>The steps of the tour. Each merges for real, shows the result, and checks its claims.</summary>
internal sealed class Steps(IStackEnvMerger merger, IStackEnvMerger auditing, StatementLog log, NpgsqlDataSource plain)
{
    private const int Concurrency = 16;

    /// <summary>Takes the tour; false if anything was not as claimed.</summary>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        (string Title, string Story, Func<CancellationToken, Task<(Observation Seen, Check[] Checks)>> Run)[] steps =
        [
            (
                "Sets and deletes",
                "One key is new, one gets another value, one is deleted, and one to delete was never there.",
                SetsAndDeletesAsync),
            (
                "A no-op",
                "The value that is sent is stored already: the same batch, but its guarded UPDATE matches no row.",
                NoOpAsync),
            (
                "A stack in teardown",
                "A teardown flips the status while the merge waits for the row. The check is under the lock, so the teardown wins. " +
                "UPDATE and COMMIT are listed because they were sent in the same batch: the UPDATE's own guard matched no row, so " +
                "nothing was written.",
                TeardownAsync),
            (
                "A held row lock",
                "Another transaction holds the row. The merge gives up after its LockTimeout of 500 ms, and the server skips the rest.",
                HeldLockAsync),
            (
                "Sixteen at once",
                "Sixteen merges on one stack at the same time, one key each. They queue for the row, and none is lost.",
                SixteenAtOnceAsync),
            (
                "An audit row",
                "A journal adds the host's own statement to the merge's transaction, in a second batch with COMMIT.",
                AuditRowAsync),
        ];

        await WarmUpAsync(cancellationToken);
        List<Check> checks = [];
        foreach (var (index, (title, story, run)) in steps.Index())
        {
            var step = await run(cancellationToken);
            Screen.Step($"{index + 1} of {steps.Length} · {title}", story, step.Seen, step.Checks);
            checks.AddRange(step.Checks);
        }

        Screen.Verdict(checks);
        return checks.TrueForAll(check => check.Holds);
    }

    private async Task<(Observation, Check[])> SetsAndDeletesAsync(CancellationToken cancellationToken)
    {
        var stack = await InsertAsync("shop", """{"DATABASE_URL": "postgres://shop:k7@db/shop", "LOG_LEVEL": "info", "OLD_FLAG": "1"}""");

        var seen = await ObserveAsync(
            stack,
            [
                new Dictionary<string, string?>(StringComparer.Ordinal)
                {
                    ["API_TOKEN"] = "tok-4711",
                    ["LOG_LEVEL"] = "debug",
                    ["OLD_FLAG"] = "", // an empty value deletes
                    ["NEVER_SET"] = null, // so does null
                },
            ],
            cancellationToken);

        var result = seen.Results.SingleOrDefault();
        return (seen,
        [
            new(
                "2 keys set; 1 deleted, because the key that was never there counts as nothing",
                result is { KeysSet: 2, KeysDeleted: 1, TotalAfter: 3 }),
            new(
                "The result is what the row holds, with the key that the merge did not name",
                SameEnv(result?.Env, seen.Stored.Env) && seen.Stored.Env.ContainsKey("DATABASE_URL")),
            new(
                "SET LOCAL lock_timeout is the transaction's first statement",
                seen.Statements is [['B', 'E', 'G', 'I', 'N', ..], var first, .., "COMMIT"] && IsLockTimeout(first)),
            new(
                "No value is in any statement: values travel as parameters",
                !seen.Statements.Any(statement => statement.Contains("tok-4711", StringComparison.Ordinal))),
        ]);
    }

    private async Task<(Observation, Check[])> NoOpAsync(CancellationToken cancellationToken)
    {
        var stack = await InsertAsync("blog", """{"LOG_LEVEL": "debug"}""");
        var before = await ReadAsync(stack);

        var seen = await ObserveAsync(stack, [Set("LOG_LEVEL", "debug")], cancellationToken);

        return (seen,
        [
            new("The result says that nothing changed", seen.Results is [{ Changed: false, KeysSet: 1, KeysDeleted: 0, TotalAfter: 1 }]),
            new("The row was not written: it is still the same version", before.Version == seen.Stored.Version),
        ]);
    }

    private async Task<(Observation, Check[])> TeardownAsync(CancellationToken cancellationToken)
    {
        var stack = await InsertAsync("wiki", """{"LOG_LEVEL": "info"}""");
        await using var teardown = await plain.OpenConnectionAsync(cancellationToken);
        await using var transaction = await teardown.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync(new NpgsqlCommand("UPDATE stacks SET status = 'deleting' WHERE id = $1", teardown), stack);

        var merge = ObserveAsync(stack, [Set("LOG_LEVEL", "debug")], cancellationToken);
        await WaitUntilBlockedByAsync(teardown, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
        var seen = await merge;

        return (seen,
        [
            new(
                "StackDeletingException with the status read under the lock",
                seen.Failure is StackDeletingException { Status: "deleting" }),
            new("Not transient: trying again would not help", seen.Failure is { IsTransient: false }),
            new(
                "The row is as the teardown left it",
                SameEnv(seen.Stored.Env, new Dictionary<string, string>(StringComparer.Ordinal) { ["LOG_LEVEL"] = "info" })),
        ]);
    }

    private async Task<(Observation, Check[])> HeldLockAsync(CancellationToken cancellationToken)
    {
        var stack = await InsertAsync("mail", """{"LOG_LEVEL": "info"}""");
        await using var holder = await plain.OpenConnectionAsync(cancellationToken);
        await using var transaction = await holder.BeginTransactionAsync(cancellationToken);
        await ExecuteAsync(new NpgsqlCommand("SELECT FROM stacks WHERE id = $1 FOR UPDATE", holder), stack);

        var seen = await ObserveAsync(stack, [Set("LOG_LEVEL", "debug")], cancellationToken);

        await transaction.RollbackAsync(cancellationToken);
        var retry = await merger.MergeAsync(stack, Set("LOG_LEVEL", "debug"), cancellationToken);

        return (seen,
        [
            new("LockTimeoutException, transient: try again", seen.Failure is LockTimeoutException { IsTransient: true }),
            new("After 500 ms, and at most half a second later", seen.Elapsed.TotalMilliseconds is >= 500 and <= 1000),
            new(
                "After the locked read came only Npgsql's ROLLBACK: UPDATE and COMMIT were skipped",
                seen.Statements is [.., var last, "ROLLBACK"] && last.EndsWith("FOR NO KEY UPDATE", StringComparison.Ordinal)),
            new("Once the row is free, the same merge on the same pool succeeds", retry is { Changed: true, KeysSet: 1 }),
        ]);
    }

    private async Task<(Observation, Check[])> SixteenAtOnceAsync(CancellationToken cancellationToken)
    {
        var stack = await InsertAsync("jobs", "{}");

        var seen = await ObserveAsync(stack, [.. Workers()], cancellationToken);

        return (seen,
        [
            new(
                "All 16 keys are in the row",
                Workers().SelectMany(worker => worker).All(
                    change => seen.Stored.Env.TryGetValue(change.Key, out var value) && value == change.Value)),
            new("The counts of the 16 results add up to 16", seen.Results.Sum(result => result.KeysSet) == Concurrency),
            new(
                "Each merge saw all those before it: the totals are 1, 2, … 16",
                seen.Results.Select(result => result.TotalAfter).Order().SequenceEqual(Enumerable.Range(1, Concurrency))),
        ]);
    }

    private async Task<(Observation, Check[])> AuditRowAsync(CancellationToken cancellationToken)
    {
        var stack = await InsertAsync("bank", """{"LOG_LEVEL": "info"}""");
        var deleting = await StacksTable.InsertAsync(plain, "gone", status: "deleting", cancellationToken: cancellationToken);

        var refused = await ObserveAsync(deleting, [Set("LOG_LEVEL", "debug")], cancellationToken, auditing);
        var seen = await ObserveAsync(stack, [Set("LOG_LEVEL", "debug")], cancellationToken, auditing);

        // xmin is the transaction that wrote a row.
        await using var audited = plain.CreateCommand(
            "SELECT keys_set, keys_deleted, total_after FROM audit_log JOIN stacks ON stack = id AND audit_log.xmin = stacks.xmin WHERE " +
            "id = $1");
        audited.Parameters.AddWithValue(stack);
        await using var row = await audited.ExecuteReaderAsync(cancellationToken);
        var inOneTransaction = await row.ReadAsync(cancellationToken);
        var result = seen.Results.SingleOrDefault();

        return (seen,
        [
            new("The row and its audit row were written by one transaction", inOneTransaction),
            new(
                "The audit row has the counts of the result",
                inOneTransaction
                    && (row.GetInt32(0), row.GetInt32(1), row.GetInt32(2)) == (result?.KeysSet, result?.KeysDeleted, result?.TotalAfter)),
            new(
                "A merge that was refused before, on a stack in teardown, left no audit row",
                refused.Failure is StackDeletingException && !refused.Statements.Any(IsAudit)),
            new(
                "The journal's statement comes between the write and COMMIT",
                seen.Statements is [.., var last, "CLOSE stackenv_merge", "COMMIT"] && IsAudit(last)),
        ]);

        static bool IsAudit(string statement) => statement.StartsWith("INSERT INTO audit_log", StringComparison.Ordinal);
    }

    // Opens the pool's connections and lets the code be compiled, so that the times shown are those of a running system.
    private async Task WarmUpAsync(CancellationToken cancellationToken)
    {
        var stack = await InsertAsync("warm-up", "{}");
        for (var round = 0; round < 5; round++)
        {
            await ObserveAsync(stack, [.. Workers()], cancellationToken);
        }
    }

    private async Task<Observation> ObserveAsync(
        Guid stack, IReadOnlyDictionary<string, string?>[] merges, CancellationToken cancellationToken, IStackEnvMerger? with = null)
    {
        MergeResult[] results = [];
        StackEnvMergeException? failure = null;

        log.Clear();
        var started = Stopwatch.GetTimestamp();
        try
        {
            results = await Task.WhenAll(merges.Select(changes => (with ?? merger).MergeAsync(stack, changes, cancellationToken)));
        }
        catch (StackEnvMergeException exception)
        {
            failure = exception;
        }

        var elapsed = Stopwatch.GetElapsedTime(started);
        return new Observation
        {
            Changes = merges.SelectMany(changes => changes).ToDictionary(StringComparer.Ordinal),
            Results = results,
            Failure = failure,
            Elapsed = elapsed,
            Statements = log.Take(),
            Stored = await ReadAsync(stack),
        };
    }

    private static bool IsLockTimeout(string statement) => statement.StartsWith("SET LOCAL lock_timeout", StringComparison.Ordinal);

    private static bool SameEnv(IReadOnlyDictionary<string, string>? one, IReadOnlyDictionary<string, string> other) =>
        one is not null
            && one.Count == other.Count
            && one.All(variable => other.TryGetValue(variable.Key, out var value) && value == variable.Value);

    private static Dictionary<string, string?> Set(string key, string value) => new(StringComparer.Ordinal) { [key] = value };

    private static IEnumerable<Dictionary<string, string?>> Workers() =>
        Enumerable.Range(1, Concurrency).Select(worker => Set(string.Create(CultureInfo.InvariantCulture, $"WORKER_{worker:00}"), "here"));

    private Task<Guid> InsertAsync(string slug, string env) => StacksTable.InsertAsync(plain, slug, env);

    private async Task<StoredStack> ReadAsync(Guid stack)
    {
        await using var command = plain.CreateCommand("SELECT env_vars, xmin || '/' || ctid FROM stacks WHERE id = $1");
        command.Parameters.AddWithValue(stack);
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return new StoredStack(JsonSerializer.Deserialize<Dictionary<string, string>>(reader.GetString(0))!, reader.GetString(1));
    }

    private async Task WaitUntilBlockedByAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = plain.CreateCommand(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))");
        command.Parameters.AddWithValue(connection.ProcessID);
        while (await command.ExecuteScalarAsync(cancellationToken) is not true)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), cancellationToken);
        }
    }

    private static async Task ExecuteAsync(NpgsqlCommand command, Guid stack)
    {
        await using var executed = command;
        command.Parameters.AddWithValue(stack);
        await command.ExecuteNonQueryAsync();
    }
}
