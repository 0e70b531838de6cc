using System.Diagnostics;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>What the tests with real poolers ask of a merge and of the table.</summary>
internal static class PoolerChecks
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>What the caller was told. A failure of a pooler or a server is always transient.</summary>
    public static async Task<Told> OutcomeAsync(Task<MergeResult> merging)
    {
        try
        {
            return Told.Of(await merging.WaitAsync(Patience));
        }
        catch (StackEnvMergeException failure)
        {
            Assert.True(failure.IsTransient, failure.Message);
            return Told.Of(failure);
        }
    }

    /// <summary>One line if the key is stored and the caller was told otherwise, or the other way round.</summary>
    public static IEnumerable<string> Lies(Told told, string? stored, string key = "A") =>
        told.IsCommitted is { } committed && committed != stored!.Contains($"\"{key}\"", StringComparison.Ordinal)
            ? [$"{told}, and stored is {stored}"]
            : [];

    /// <summary>Merges one key, and retries as long as the library says that it helps.</summary>
    public static async Task UntilMergedAsync(StackEnvMerger merger, Guid id, ITestOutputHelper output, string key = "A")
    {
        var started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                await merger.MergeAsync(id, new Dictionary<string, string?> { [key] = "1" });
                return;
            }
            catch (StackEnvMergeException failure) when (Stopwatch.GetElapsedTime(started) < Patience)
            {
                Assert.True(failure.IsTransient, failure.Message);
                output.WriteLine(failure.Message);
                await Task.Delay(100);
            }
        }
    }

    /// <summary>Returns when no session of the schema runs anything, also none whose client is gone.</summary>
    public static async Task QuiesceAsync(TestDatabase database)
    {
        var started = Stopwatch.GetTimestamp();
        while (await database.ScalarAsync<long>(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid() AND state <> 'idle'",
            database.Schema) > 0)
        {
            Assert.True(Stopwatch.GetElapsedTime(started) < Patience, "A session of a merge does not end.");
            await Task.Delay(10);
        }
    }

    /// <summary>The stored set once every merge has ended on the server.</summary>
    public static async Task<string?> StoredAtLastAsync(TestDatabase database, Guid id)
    {
        await QuiesceAsync(database);
        return await database.EnvAsync(id);
    }

    /// <summary>No message names a routine, which only PostgreSQL itself does.</summary>
    public static void AreAllPoolers(HeardErrors heard) =>
        Assert.All(
            heard.All, static error => Assert.True(string.IsNullOrEmpty(error.Routine), $"{error.MessageText} names {error.Routine}."));
}
