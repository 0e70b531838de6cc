namespace StackEnv.LocalPostgres;

/// <summary>The advice for a machine that has no PostgreSQL.</summary>
internal static class Installation
{
    private static readonly (string Tool, string Command)[] PackageManagers =
    [
        ("/usr/bin/apt-get", "sudo apt-get install -y postgresql"),
        ("/usr/bin/dnf", "sudo dnf install -y postgresql-server"),
        ("/sbin/apk", "sudo apk add postgresql"),
        ("/usr/bin/pacman", "sudo pacman -S --noconfirm postgresql"),
        ("/usr/bin/zypper", "sudo zypper install -y postgresql-server"),
        ("/opt/homebrew/bin/brew", "brew install postgresql"),
        ("/usr/local/bin/brew", "brew install postgresql"),
    ];

    /// <summary>One line that says how to get a PostgreSQL on this machine.</summary>
    public static string Advice(Exception? dockerFailure = null)
    {
        var docker = dockerFailure is null ? "no Docker engine answers" : "the Docker engine could not start one";
        var remedy = InstallCommand() is { } command ? $"Install it with `{command}`, start Docker" : "Start Docker";
        return $"No PostgreSQL was found: {PostgresServer.EnvironmentVariable} is not set, {docker}, " +
            "and no server binaries are installed. " +
            $"{remedy}, or set {PostgresServer.EnvironmentVariable} to a connection string.";
    }

    /// <summary>The same for what only server binaries can do: to be stopped and started.</summary>
    public static string AdviceOnServerBinaries()
    {
        var remedy = InstallCommand() is { } command ? $"Install them with `{command}`, or set" : "Set";
        return "No PostgreSQL server binaries were found, and here a server is stopped and started, " +
            "for which one in Docker or elsewhere will not do. " +
            $"{remedy} {ServerBinaries.EnvironmentVariable} to the folder that holds initdb and postgres.";
    }

    private static string? InstallCommand() => PackageManagers.FirstOrDefault(manager => File.Exists(manager.Tool)).Command;
}
