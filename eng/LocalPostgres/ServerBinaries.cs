using System.ComponentModel;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace StackEnv.LocalPostgres;

/// <summary>The <c>initdb</c> and <c>postgres</c> of one installation.</summary>
internal sealed partial record ServerBinaries(string Folder, Version Version)
{
    /// <summary>
    /// The environment variable that may hold the folder of the binaries to use, rather than those in Docker or the newest.
    /// </summary>
    public const string EnvironmentVariable = "STACKENV_POSTGRES_BIN";

    // Each pattern is a folder whose last-but-one part may be a wildcard: where package managers put server binaries.
    private static readonly (string Parent, string Pattern)[] KnownPlaces =
    [
        ("/usr/lib/postgresql", "*"), // Debian, Ubuntu
        ("/usr", "pgsql-*"), // the PostgreSQL project's RPMs
        ("/usr/libexec", "postgresql*"), // Alpine
        ("/usr/lib", "postgresql*"), // openSUSE
        ("/opt/homebrew/opt", "postgresql*"),
        ("/usr/local/opt", "postgresql*"),
        ("/home/linuxbrew/.linuxbrew/opt", "postgresql*"),
        ("/Applications/Postgres.app/Contents/Versions", "*"),
    ];

    /// <summary>The installation that the environment names, or null where it names none.</summary>
    /// <exception cref="InvalidOperationException">There are no server binaries where it says.</exception>
    public static async Task<ServerBinaries?> FindConfiguredAsync(CancellationToken cancellationToken)
    {
        if (Environment.GetEnvironmentVariable(EnvironmentVariable) is not { Length: > 0 } folder)
        {
            return null;
        }

        if (File.Exists(Path.Combine(folder, "initdb")) && await VersionOfAsync(folder, cancellationToken) is { } version)
        {
            return new ServerBinaries(Path.GetFullPath(folder), version);
        }

        throw new InvalidOperationException(
            $"{EnvironmentVariable} is set, but no initdb and postgres of PostgreSQL can be run from {folder}. Set it to the folder that " +
            "holds them, or unset it.");
    }

    /// <summary>The newest installation on this machine, or null.</summary>
    public static async Task<ServerBinaries?> FindNewestAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            return null; // the supervisor is a POSIX shell script; on Windows there is Docker
        }

        ServerBinaries? newest = null;
        foreach (var folder in Candidates().Distinct(StringComparer.Ordinal))
        {
            if (await VersionOfAsync(folder, cancellationToken) is { } version && (newest is null || version > newest.Version))
            {
                newest = new ServerBinaries(folder, version);
            }
        }

        return newest;
    }

    private static IEnumerable<string> Candidates()
    {
        var known =
            from place in KnownPlaces
            where Directory.Exists(place.Parent)
            from installation in Directory.EnumerateDirectories(place.Parent, place.Pattern)
            from folder in new[] { Path.Combine(installation, "bin"), installation }
            select Path.Combine(folder, "initdb");

        var onPath =
            from folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(
                Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            select Path.Combine(folder, "initdb");

        // A link on the PATH stands for the installation that it leads to, where the server lies beside initdb.
        return
            from initdb in known.Concat(onPath)
            where File.Exists(initdb)
            let target = File.ResolveLinkTarget(initdb, returnFinalTarget: true)?.FullName ?? initdb
            select Path.GetDirectoryName(Path.GetFullPath(target));
    }

    private static async Task<Version?> VersionOfAsync(string folder, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(Path.Combine(folder, "postgres"), ["--version"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using var process = Process.Start(start)!;
            var text = await process.StandardOutput.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return VersionPattern().Match(text) is { Success: true } match
                ? Version.Parse(match.Groups["minor"].Success ? match.Value : match.Value + ".0")
                : null;
        }
        catch (Win32Exception)
        {
            return null; // no server there, only clients, or one that this user may not run
        }
    }

    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "postgres (PostgreSQL) 19beta1"
    [GeneratedRegex(
        @"(?<=\(PostgreSQL\) )\d+(?<minor>\.\d+)?",
        RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionPattern();
}
