using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Memory;

/// <summary>
/// One merge in a process of its own. The test runner never calls it; <see cref="MemoryLimitTests"/> starts it with a heap limit.
/// </summary>
internal static class MergingProgram
{
    public const string Answer = "told: ";

    /// <param name="arguments">A connection string, the id of a small stack to start with, and the id of the stack to merge into.</param>
    public static async Task Main(string[] arguments)
    {
        await using var dataSource = NpgsqlDataSource.Create(arguments[0]);
        var merger = new StackEnvMerger(dataSource, new() { MaxEnvBytes = int.MaxValue });
        await merger.MergeAsync(Guid.Parse(arguments[1]), new Dictionary<string, string?>());
        string told;
        try
        {
            var result = await merger.MergeAsync(Guid.Parse(arguments[2]), new Dictionary<string, string?> { ["A"] = "1" });
            told = result.ToString()!;
        }
        catch (StackEnvMergeException failure)
        {
            told = failure.ErrorCode;
            Console.WriteLine(failure);
        }
#pragma warning disable CA1031 // The test checks which one it is.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            told = failure.GetType().Name;
        }

        Console.WriteLine(Answer + told);
    }
}
