using System.Diagnostics;

namespace StackEnv.Samples.Worker.Tests;

/// <summary>The tour, as `./eng/demo.sh` runs it.</summary>
public sealed class TourTests : DatabaseTest
{
    [Fact]
    public async Task It_shows_its_own_values_numbers_the_statements_from_the_first_after_BEGIN_and_explains_a_refused_merge()
    {
        using var tour = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "StackEnv.Samples.Tour.dll")])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            Environment = { ["STACKENV_POSTGRES"] = Database.ConnectionString },
        })!;

        var shown = await tour.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(1));
        await tour.WaitForExitAsync();

        Assert.Equal(0, tour.ExitCode);
        Assert.Contains("│ 1 SET LOCAL lock_timeout = 500", shown, StringComparison.Ordinal);
        Assert.Contains("│   BEGIN ISOLATION LEVEL", shown, StringComparison.Ordinal);
        var refused = shown[shown.IndexOf("A stack in teardown", StringComparison.Ordinal)..];
        refused = refused[..refused.IndexOf("A held row lock", StringComparison.Ordinal)];
        Assert.Matches("LOG_LEVEL +│ set debug +│ info ", refused);
        var words = string.Join(' ', refused.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("matched no row, so nothing was written", words, StringComparison.Ordinal);
        Assert.DoesNotContain("***", shown, StringComparison.Ordinal);
        Assert.Matches("All [0-9]+ claims of the tour hold", shown);
    }
}
