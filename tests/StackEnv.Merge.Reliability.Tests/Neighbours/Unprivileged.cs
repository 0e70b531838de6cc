namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>How to start a server that refuses to run as root, in a session that a terminal's Ctrl-C does not reach.</summary>
internal static class Unprivileged
{
    // The user that the ephemeral cluster runs as, whose socket is its own.
    private static readonly string[] Accounts = ["postgres", "nobody"];

    /// <summary>What to put before the command.</summary>
    public static string[] Prefix { get; } = Environment.IsPrivilegedProcess ? ["setsid", .. DropTo(Account())] : OperatingSystem.IsLinux() ? ["setsid"] : [];

    private static string[] DropTo(string[] account) => ["setpriv", $"--reuid={account[2]}", $"--regid={account[3]}", "--clear-groups"];

    private static string[] Account()
    {
        var accounts = File.ReadLines("/etc/passwd").Select(static line => line.Split(':')).ToList();
        return Accounts.Select(name => accounts.Find(account => account[0] == name)).First(static account => account is not null)!;
    }
}
