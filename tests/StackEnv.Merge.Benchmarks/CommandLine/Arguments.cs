using System.Globalization;
using StackEnv.Merge.Benchmarks.Contestants;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.CommandLine;

/// <summary>The command and its options.</summary>
internal sealed class Arguments
{
    public const string Help = """
        Measures the library beside everything that one would pick instead, on one server, and checks every row that they leave.

          dotnet run -c Release --project tests/StackEnv.Merge.Benchmarks -- <command> [options]

        Commands
          smoke           everything for a moment (25 s): rows, round trips and allocations are checked, speed is not
          full            everything that the report needs (25 minutes), and all thresholds
          check           what the thresholds need (10 minutes); the exit code is 1 where one is missed, as with full
          duel            one caller, no network in between, prepared and not
          latency         0, 0.5, 1 and 5 ms each way: separate rows and one hot row, 8 callers
          callers         1, 4, 8, 32 and 128 callers: separate rows and one hot row, 1 ms each way
          far             8 and 32 callers: separate rows and one hot row, 5 ms each way
          neighbours      one stack's merges while others wait for a stuck stack, in one small pool
          size            sets of 5, 50 and 500 keys, up to the limit of 64 KiB
          rows            tables of 1,000 to 1,000,000 rows
          allocations     round trips and bytes allocated by a merge, and which types these are
          proxy           how exact the delay is
          contest         the scenario (or all combinations) of the options below
          benchmarkdotnet one caller's time and allocations, by BenchmarkDotNet, whose own options follow (--filter '*')

        Options
          --contestants library,bare,npgsql,dapper,byhand,efcore,lock,pgbench
                                  who competes; all of them unless said otherwise, pgbench in duel, latency and contest
          --server durable        whether a server that is started for this syncs its commits to the disk, as in
                                  production, or not at all (fast), which leaves nothing but processor time
          --rounds <number>       how many rounds; each gives one figure of each contestant
          --out <folder>          where tables and raw figures go; artifacts/performance unless said otherwise
          --images <folder>       where plots go; the same unless said otherwise

        Options of contest, each a value or several with commas between
          --target separate,hot   rows of the callers' own, or one row for all
          --delay 0,0.5,1,5       milliseconds in each direction
          --callers 1,8,32,128
          --prepared on,off       Max Auto Prepare
          --keys 5,20,50,500      in each set
          --value-length 32       characters of each value
          --table 1000,1000000    rows in the table

        PostgreSQL is the one that STACKENV_POSTGRES names, else one in Docker, else one of the installed server binaries.
        """;

    private const string PgBench = "pgbench";

    private static readonly string[] KnownOptions =
        ["contestants", "server", "rounds", "out", "images", "target", "delay", "callers", "prepared", "keys", "value-length", "table"];

    private readonly Dictionary<string, string> _options = new(StringComparer.Ordinal);

    /// <exception cref="FormatException">The arguments make no sense; the message says why.</exception>
    public Arguments(IReadOnlyList<string> arguments)
    {
        Command = arguments.Count == 0 || arguments.Any(static argument => argument is "--help" or "-h" or "-?") ? "help" : arguments[0];
        if (Command is "help")
        {
            return;
        }

        for (var at = 1; at < arguments.Count; at += 2)
        {
            var option = arguments[at].StartsWith("--", StringComparison.Ordinal) ? arguments[at][2..] : "";
            if (!KnownOptions.Contains(option, StringComparer.Ordinal))
            {
                throw new FormatException($"There is no option {arguments[at]}.");
            }

            _options[option] = at + 1 < arguments.Count ? arguments[at + 1] : throw new FormatException($"{arguments[at]} needs a value.");
        }
    }

    public string Command { get; }

    public string? Out => _options.GetValueOrDefault("out");

    public string? Images => _options.GetValueOrDefault("images");

    public bool IsDurable => _options.GetValueOrDefault("server", "durable") switch
    {
        "durable" => true,
        "fast" => false,
        var server => throw new FormatException($"A server is durable or fast, and not {server}."),
    };

    public int? Rounds => _options.TryGetValue("rounds", out var rounds) ? int.Parse(rounds, CultureInfo.InvariantCulture) : null;

    public IReadOnlyList<Contestant> Contestants
    {
        get
        {
            var names = Values("contestants", [.. Contestant.All.Select(static contestant => contestant.Name), PgBench]);
            return names.Except(Contestant.All.Select(static contestant => contestant.Name))
                .FirstOrDefault(static name => name is not PgBench) is { } unknown
                ? throw new FormatException($"There is no contestant {unknown}.")
                : [.. Contestant.All.Where(contestant => names.Contains(contestant.Name))];
        }
    }

    public bool WithPgBench => Values("contestants", PgBench).Contains(PgBench);

    /// <summary>All combinations of the options of <c>contest</c>.</summary>
    public Sweep Contest => new(
        "contest",
        "As asked for",
        [
            .. from target in Values("target", "separate")
               from delay in Numbers("delay", 0)
               from callers in Numbers("callers", 1)
               from prepared in Values("prepared", "on")
               from keys in Numbers("keys", 20)
               from length in Numbers("value-length", 32)
               from table in Numbers("table", 1_000)
               select new Scenario
               {
                   Hot = target is "hot",
                   DelayMilliseconds = delay,
                   Callers = (int)callers,
                   Prepared = prepared is "on",
                   Keys = (int)keys,
                   ValueLength = (int)length,
                   TableRows = (int)table,
               },
        ],
        WithPgBench: true);

    private string[] Values(string option, params string[] otherwise) =>
        _options.TryGetValue(option, out var values) ? values.Split(',') : otherwise;

    private IEnumerable<double> Numbers(string option, double otherwise) =>
        Values(option, otherwise.ToString(CultureInfo.InvariantCulture)).Select(
            static value => double.Parse(value, CultureInfo.InvariantCulture));
}
