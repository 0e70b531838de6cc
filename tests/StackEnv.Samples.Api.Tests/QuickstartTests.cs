using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;

namespace StackEnv.Samples.Api.Tests;

/// <summary>The endpoint of the README, as a project.</summary>
public sealed class QuickstartTests : DatabaseTest
{
    private static readonly string Root = Path.Combine(ThisFolder(), "..", "..");

    [Fact]
    public async Task It_is_the_readmes_own_code() => Assert.Contains(
        await File.ReadAllTextAsync(Path.Combine(Root, "samples", "StackEnv.Samples.Quickstart", "Program.cs")),
        await File.ReadAllTextAsync(Path.Combine(Root, "README.md")),
        StringComparison.Ordinal);

    [Fact]
    public async Task It_merges_and_what_is_wrong_with_the_table_is_in_its_log_and_not_in_its_answer()
    {
        await Database.ExecuteAsync("INSERT INTO stacks (slug, env_vars) VALUES ('shop', '{\"OLD\": \"1\"}')");
        using var program = Process.Start(new ProcessStartInfo(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, "StackEnv.Samples.Quickstart.dll"), "--urls=http://127.0.0.1:0"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            WorkingDirectory = Path.GetTempPath(),
            Environment = { ["ConnectionStrings__Database"] = Database.ConnectionString },
        })!;
        try
        {
            var url = (await UntilAsync(program, "Now listening on: ")).Split(": ")[^1];
            using var client = new HttpClient { BaseAddress = new(url) };
            using var merged = await PatchAsync(client);
            await Database.ExecuteAsync("ALTER TABLE stacks DROP COLUMN updated_at");
            using var failed = await PatchAsync(client);

            Assert.Equal("""{"keysSet":1,"keysDeleted":1,"totalAfter":1}""", await merged.Content.ReadAsStringAsync());
            Assert.Equal(HttpStatusCode.InternalServerError, failed.StatusCode);
            Assert.DoesNotMatch("updated_at|ALTER", await failed.Content.ReadAsStringAsync());
            Assert.Contains("updated_at", await UntilAsync(program, "ALTER TABLE"), StringComparison.Ordinal);
        }
        finally
        {
            program.Kill();
            await program.WaitForExitAsync();
        }
    }

    private static Task<HttpResponseMessage> PatchAsync(HttpClient client) => client.PatchAsJsonAsync(
        new Uri("/stacks/shop/env", UriKind.Relative),
        new Dictionary<string, string?> { ["NEW"] = Guid.NewGuid().ToString(), ["OLD"] = "" });

    private static async Task<string> UntilAsync(Process program, string text)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (await program.StandardOutput.ReadLineAsync(patience.Token) is { } line)
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return line;
            }
        }

        throw new InvalidOperationException($"It did not print '{text}'.");
    }

    private static string ThisFolder([CallerFilePath] string thisFile = "") => Path.GetDirectoryName(thisFile)!;
}
