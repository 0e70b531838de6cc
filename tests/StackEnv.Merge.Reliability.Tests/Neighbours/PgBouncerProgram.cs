using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>A PgBouncer that can be run here: the installed one, and the one that <c>STACKENV_PGBOUNCER</c> names.</summary>
internal sealed partial record PgBouncerProgram(string Path, Version Version)
{
    private const string EnvironmentVariable = "STACKENV_PGBOUNCER";

    // Package managers put it where only root looks.
    private static readonly string[] KnownFolders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin"];

    private static readonly Lazy<Dictionary<string, PgBouncerProgram>> Found = new(Find);

    /// <summary>The versions that are installed, each once; if there is none, a name that <see cref="OfVersion"/> explains.</summary>
    public static TheoryData<string> Versions => Found.Value.Count == 0 ? ["none"] : [.. Found.Value.Keys];

    /// <summary>Whether it follows prepared statements from one server connection to the next, once it is told how many.</summary>
    public bool FollowsPreparedStatements => Version >= new Version(1, 21);

    public static PgBouncerProgram OfVersion(string version) =>
        Found.Value.GetValueOrDefault(version) ?? throw new InvalidOperationException(
        $"No PgBouncer was found. Install it with `apt-get install pgbouncer` or `brew install pgbouncer`, or set {EnvironmentVariable} " +
        "to its path.");

    private static Dictionary<string, PgBouncerProgram> Find()
    {
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(
            System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var found = new Dictionary<string, PgBouncerProgram>(StringComparer.Ordinal);
        foreach (var path in onPath.Concat(KnownFolders).Select(static folder => System.IO.Path.Combine(folder, "pgbouncer"))
            .Append(Environment.GetEnvironmentVariable(EnvironmentVariable)))
        {
            if (File.Exists(path) && VersionOf(path) is { } version)
            {
                found.TryAdd(version.ToString(), new(path, version));
            }
        }

        return found;
    }

    private static Version? VersionOf(string path)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(path, ["--version"])
            {
                UseShellExecute = false,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return VersionPattern().Match(text) is { Success: true } match ? Version.Parse(match.Value) : null;
        }
        catch (Win32Exception)
        {
            return null; // not one that this user may run
        }
    }

    // "PgBouncer 1.24.1"; older ones say "PgBouncer version 1.9.0".
    [GeneratedRegex(
        @"(?<=PgBouncer (version )?)\d+\.\d+\.\d+",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionPattern();
}
