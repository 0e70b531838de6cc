using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;

namespace StackEnv.Samples.Api.Tests;

/// <summary>The program as a user starts it, in a process of its own.</summary>
public sealed partial class ProgramTests : ApiTest
{
    [Fact]
    public async Task The_lines_that_it_prints_work_as_printed_and_it_leaves_nothing_behind()
    {
        using var program = Start("Development");
        var curls = new List<Match>();
        var schema = "";
        while (curls.Count < 2 && await program.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains(", schema ", StringComparison.Ordinal))
            {
                schema = line[(line.LastIndexOf(' ') + 1)..];
            }

            if (line.StartsWith("curl ", StringComparison.Ordinal))
            {
                curls.Add(CurlLine().Match(line));
            }
        }

        Assert.True(await Database.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema));

        using var client = new HttpClient();
        var answers = new List<string>();
        foreach (var curl in curls)
        {
            Assert.True(curl.Success);
            using var request = new HttpRequestMessage(
                new HttpMethod(curl.Groups["method"] is { Success: true, Value: var method } ? method : "GET"), curl.Groups["url"].Value);
            request.Headers.TryAddWithoutValidation("Authorization", curl.Groups["authorization"].Value);
            request.Content = curl.Groups["body"] is { Success: true, Value: var body } ? JsonHttp.Content(body) : null;
            using var response = await client.SendAsync(request);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            answers.Add(await response.Content.ReadAsStringAsync());
        }

        Assert.Contains("\"LOG_LEVEL\":\"debug\",\"MAX_CONNECTIONS\":\"20\",\"OLD_FLAG\":\"1\"", answers[0], StringComparison.Ordinal);
        Assert.Contains("\"keys_set\":1,\"keys_deleted\":1", answers[1], StringComparison.Ordinal);

        using (var terminate = Process.Start("kill", ["-TERM", $"{program.Id}"]))
        {
            await terminate.WaitForExitAsync();
        }

        await program.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));
        Assert.Equal(0, program.ExitCode);
        Assert.False(await Database.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema));
    }

    [Fact]
    public async Task Without_a_team_it_says_what_to_configure()
    {
        using var program = Start("Production", $"--ConnectionStrings:Database={Database.ConnectionString}");

        await program.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal(1, program.ExitCode);
        Assert.Contains(
            "set Teams:0:Id and Teams:0:Token", await program.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_database_it_says_what_to_configure()
    {
        using var program = Start("Production");

        await program.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(1));

        Assert.Equal(1, program.ExitCode);
        Assert.Contains("Set ConnectionStrings:Database", await program.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_host_does_not_start_without_a_team() =>
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => RunningApi.StartAsync(Database.ConnectionString, settings: "--environment=Production"));

    private Process Start(string environment, params string[] settings) => Process.Start(new ProcessStartInfo(
        "dotnet",
        [Path.Combine(AppContext.BaseDirectory, "StackEnv.Samples.Api.dll"), "--urls=http://127.0.0.1:0", $"--environment={environment}",
            .. settings])
    {
        UseShellExecute = false,
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        WorkingDirectory = Path.GetTempPath(),
        Environment = { ["STACKENV_POSTGRES"] = Database.ConnectionString },
    })!;

    [GeneratedRegex(
        "^curl -H 'Authorization: (?<authorization>[^']+)' (?<url>\\S+)( -X (?<method>\\S+) -H 'Content-Type: application/json' -d " +
        "'(?<body>[^']+)')?$",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex CurlLine();
}
