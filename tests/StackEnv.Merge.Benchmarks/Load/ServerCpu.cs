using System.Globalization;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>
/// The processor time that the server's processes take from one moment on, as the kernel counts it. Works where the server runs on this
/// Linux machine.
/// </summary>
internal sealed class ServerCpu
{
    private readonly int _postmaster;
    private readonly Dictionary<int, long> _before;

    private ServerCpu(int postmaster)
    {
        _postmaster = postmaster;
        _before = Nanoseconds();
    }

    /// <summary>What they took since the start; of those that have ended in between, nothing.</summary>
    public TimeSpan Elapsed => TimeSpan.FromMicroseconds(Nanoseconds().Sum(now => now.Value - _before.GetValueOrDefault(now.Key)) / 1_000d);

    public static ServerCpu? Start(StacksDatabase database) => database.Postmaster is { } postmaster ? new(postmaster) : null;

    /// <summary>
    /// The process that started the one with this id, if it is on this machine and looks like PostgreSQL: a container's number means
    /// nothing here.
    /// </summary>
    public static int? FindPostmaster(int backend)
    {
        var stat = OperatingSystem.IsLinux() ? Read(backend, "stat") : null;
        return stat is not null && stat.Contains("(postgres", StringComparison.Ordinal) ? (int)Field(stat, 4) : null;
    }

    private Dictionary<int, long> Nanoseconds()
    {
        var spent = new Dictionary<int, long>();
        foreach (var child in (Read(_postmaster, $"task/{_postmaster}/children") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var process = int.Parse(child, CultureInfo.InvariantCulture);
            if (Read(process, "schedstat") is { } schedstat)
            {
                spent.Add(process, long.Parse(schedstat.Split(' ')[0], CultureInfo.InvariantCulture));
            }
        }

        return spent;
    }

    // Counted from 1, as in proc(5): "pid (name) state ppid …". The name may hold spaces and parentheses.
    private static long Field(string stat, int number) =>
        long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[number - 3], CultureInfo.InvariantCulture);

    private static string? Read(int process, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/{file}");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
