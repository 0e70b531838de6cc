namespace StackEnv.Samples.Postgres;

/// <summary>What to tell somebody who has no PostgreSQL.</summary>
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
        var command = PackageManagers.FirstOrDefault(manager => File.Exists(manager.Tool)).Command;
        var remedy = command is null ? "Start Docker" : $"Install it with `{command}`, start Docker";
        return $"No PostgreSQL was found: {PostgresServer.EnvironmentVariable} is not set, {docker}, and no server binaries are installed. " +
            $"{remedy}, or set {PostgresServer.EnvironmentVariable} to a connection string.";
    }
}
