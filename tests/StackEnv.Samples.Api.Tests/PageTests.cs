using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;

namespace StackEnv.Samples.Api.Tests;

/// <summary>The interactive page, as a browser shows it.</summary>
public sealed partial class PageTests : ApiTest
{
    private static readonly string[] Browsers =
        ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

    [Fact]
    public async Task A_browser_that_opens_the_root_finds_every_route_and_a_token_filled_in_and_nothing_of_a_third_party()
    {
        var (page, log) = await BrowseAsync("--dump-dom", Api.Anonymous.BaseAddress!.ToString());

        Assert.Contains("Sets and deletes environment variables of a stack", page, StringComparison.Ordinal);
        Assert.Contains(RunningApi.AcmeToken, Scripts().Replace(page, ""), StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)ask ai|mcp|open api client|deploy|share|sign in|log in|connect to", VisibleText(page));
        Assert.Contains("@scalar/api-reference", log, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)refused to|violates|ERR_", log); // nothing was to be loaded from elsewhere
        Assert.Equal(
            ["https://scalar.com/"], // hidden by a style
            ExternalLinks().Matches(page).Select(static link => link.Groups["url"].Value.Split('?')[0]).Distinct());
    }

    [Fact]
    public async Task It_renders()
    {
        var picture = Path.Combine(Path.GetTempPath(), $"stackenv-{Guid.NewGuid():N}.png");
        try
        {
            await BrowseAsync($"--screenshot={picture}", Api.Anonymous.BaseAddress!.ToString());

            Assert.InRange(new FileInfo(picture).Length, 20_000, 1_000_000); // an empty page takes less
        }
        finally
        {
            File.Delete(picture);
        }
    }

    [Fact]
    public async Task It_is_served_in_Development_only_because_it_holds_a_token()
    {
        await using var api = await RunningApi.StartAsync(
            Database.ConnectionString,
            settings: ["--environment=Production", $"--Teams:0:Id={AcmeTeam}", $"--Teams:0:Token={RunningApi.AcmeToken}"]);

        var root = await api.Acme.GetAsync(new Uri("/", UriKind.Relative));
        var page = await api.Acme.GetAsync(new Uri("/scalar/", UriKind.Relative));

        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound), (root.StatusCode, page.StatusCode));
    }

    private static async Task<(string Output, string Log)> BrowseAsync(string action, string url)
    {
        var browser = Environment.GetEnvironmentVariable("STACKENV_CHROMIUM") is { Length: > 0 } chosen ? chosen
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
                .SelectMany(static folder => Browsers.Select(name => Path.Combine(folder, name))).FirstOrDefault(File.Exists)
            ?? throw new InvalidOperationException(
                "No Chromium was found. Install it with `apt-get install chromium-headless-shell`, or set STACKENV_CHROMIUM to its path.");
        var profile = Directory.CreateTempSubdirectory("stackenv-chromium-");
        try
        {
            using var process = Process.Start(new ProcessStartInfo(browser,
            [
                "--headless", "--no-sandbox", "--disable-gpu", $"--user-data-dir={profile.FullName}", "--window-size=1280,1000",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=20000", action, url,
            ])
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var log = process.StandardError.ReadToEndAsync();
            var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(1));
            await process.WaitForExitAsync();
            var console = (await log).Split('\n').Where(static line => line.Contains("CONSOLE:", StringComparison.Ordinal));
            return (output, string.Join('\n', console));
        }
        finally
        {
            profile.Delete(recursive: true);
        }
    }

    private static string VisibleText(string page) => Tags().Replace(Scripts().Replace(page, ""), " ");

    [GeneratedRegex(
        "<(?<tag>script|style)\\b.*?</\\k<tag>>",
        RegexOptions.Singleline | RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Scripts();

    [GeneratedRegex("<[^>]*>", RegexOptions.None, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Tags();

    [GeneratedRegex("(href|src)=\"(?<url>https?:[^\"]*)\"", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex ExternalLinks();
}
