using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using StackEnv.Samples.Worker.Tests.Infrastructure;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>The sample as a visitor meets it.</summary>
public sealed partial class SampleTests : WorkerTest
{
    [Fact]
    public async Task Without_a_database_it_shows_outcomes_and_sums_them_up_at_the_end()
    {
        await using var worker = await WorkerProcess.StartAsync(("STACKENV_POSTGRES", Database.ConnectionString));
        await worker.SaysAsync("applied");
        await worker.SaysAsync("failed (invalid_env_key)");

        Assert.Equal(0, await worker.StopAsync());

        Assert.Matches(
            "^[0-9]+ applied$", worker.Output.Split('\n').First(static line => line.EndsWith(" applied", StringComparison.Ordinal)));
        Assert.False(await Database.ScalarAsync<bool>("SELECT count(*) > 0 FROM pg_namespace WHERE nspname LIKE 'stackenv_worker_%'"));
    }

    [Fact]
    public async Task A_worker_that_must_stop_before_its_database_answers_stops()
    {
        await using var worker = await WorkerProcess.StartAsync(
            "does not answer", ("ConnectionStrings__Database", "Host=127.0.0.1;Port=1;Username=nobody"));

        Assert.Equal(0, await worker.StopAsync());
    }

    [Fact]
    public async Task What_the_readme_shows_to_copy_is_the_samples_own_code()
    {
        var folder = Path.Combine(ThisFolder(), "..", "..", "samples", "StackEnv.Samples.Worker");
        var sources = Squeezed(string.Concat(
            Directory.GetFiles(folder, "*.*").Where(static file => Path.GetExtension(file) is ".cs" or ".sql").Select(File.ReadAllText)));

        var blocks = CodeBlock().Matches(await File.ReadAllTextAsync(Path.Combine(folder, "README.md")))
            .Where(static block => !block.Groups["code"].Value.Contains("4711", StringComparison.Ordinal)); // that one is run

        Assert.NotEmpty(blocks);
        Assert.All(blocks, block => Assert.Contains(Squeezed(block.Groups["code"].Value), sources, StringComparison.Ordinal));
    }

    /// <summary>The statement of the README that sends request 4711 again.</summary>
    internal static string SendAgain => CodeBlock()
        .Matches(File.ReadAllText(Path.Combine(ThisFolder(), "..", "..", "samples", "StackEnv.Samples.Worker", "README.md")))
        .Select(static block => block.Groups["code"].Value).Single(static code => code.Contains("4711", StringComparison.Ordinal));

    private static string Squeezed(string code) => WhiteSpace().Replace(code, " ");

    private static string ThisFolder([CallerFilePath] string thisFile = "") => Path.GetDirectoryName(thisFile)!;

    [GeneratedRegex(
        "^```(csharp|sql)\n(?<code>.*?)\n```$",
        RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 10_000)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"\s+", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex WhiteSpace();
}
