using System.Diagnostics;
using System.Globalization;

namespace StackEnv.Merge.Reliability.Tests.Memory;

/// <summary>
/// A host that runs out of memory while it reads the answer. With the smallest heap the driver does not get past the locked read, and its
/// connection still looks open; with the others the merge is committed, and there is no result to return. Both are unknown.
/// </summary>
public sealed class MemoryLimitTests(ITestOutputHelper output) : DatabaseTest
{
    private const int DocumentMegabytes = 40;

    [Theory]
    [InlineData(48, MergeFails.OutcomeUnknown)]
    [InlineData(100, MergeFails.OutcomeUnknown)]
    [InlineData(140, MergeFails.OutcomeUnknown)]
    [InlineData(1_000, "1 set, 0 deleted, 41 in all")]
    public async Task What_the_caller_gets_with_a_heap_of_so_many_megabytes(int heapMegabytes, string expected)
    {
        var small = await Database.InsertAsync();
        var large = await Database.InsertAsync();
        await Database.ExecuteAsync(
            "UPDATE stacks SET env_vars = (SELECT jsonb_object_agg('K_' || n, repeat('x', 1000000)) FROM generate_series(1, " +
            $"{DocumentMegabytes}) AS n) WHERE id = $1",
            large);

        var told = await RunAsync(heapMegabytes, small, large);

        Assert.Equal(expected, told);
        if (told != MergeFails.OutcomeUnknown)
        {
            Assert.Equal("1", await Database.ScalarAsync<string>("SELECT env_vars ->> 'A' FROM stacks WHERE id = $1", large));
        }
    }

    private async Task<string?> RunAsync(int heapMegabytes, Guid small, Guid large)
    {
        using var process = new Process();
        process.StartInfo = new(
            "dotnet", [typeof(MergingProgram).Assembly.Location, Database.ConnectionString, small.ToString(), large.ToString()])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_GCHeapHardLimit"] = (heapMegabytes * 1024L * 1024L).ToString("X", CultureInfo.InvariantCulture) },
        };
        process.Start();
        var said = await process.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(2));
        await process.WaitForExitAsync();
        output.WriteLine(said);
        var answer = said.Split('\n').FirstOrDefault(static line => line.StartsWith(MergingProgram.Answer, StringComparison.Ordinal));
        return answer?[MergingProgram.Answer.Length..].TrimEnd();
    }
}
