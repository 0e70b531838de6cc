using System.Diagnostics;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>
/// Runs <c>tests/StackEnv.Merge.Aot</c> as every build compiles it, or the native program that <c>eng/aot.sh</c> publishes and names.
/// </summary>
public sealed class AotSampleTests : DatabaseTest
{
    private static readonly string? NativeProgram = Environment.GetEnvironmentVariable("STACKENV_AOT_PROGRAM");

    [Fact]
    public async Task It_merges_and_is_refused_as_it_expects_and_leaves_nothing_behind()
    {
        var (exitCode, output) = NativeProgram is null
            ? await RunAsync("dotnet", Path.Combine(AppContext.BaseDirectory, "StackEnv.Merge.Aot.dll"), Database.ConnectionString)
            : await RunAsync(NativeProgram, Database.ConnectionString);

        Assert.Equal(
            $"""
            Compiled {(NativeProgram is null ? "at run time" : "ahead of time")}
            The counts: 2 set, 1 deleted, 2 in all
            The set: LOG_LEVEL=info, REGION=eu
            The row: {"""{"REGION": "eu", "LOG_LEVEL": "info"}"""}
            A stack in teardown: stack_deleting
            A stack that another holds: lock_timeout

            """,
            output);
        Assert.Equal(0, exitCode);
        Assert.False(await Database.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname LIKE 'stackenv_aot_%')"));
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(
            new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        return (process.ExitCode, await output);
    }
}
