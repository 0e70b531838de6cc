namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Scenarios that differ in one circumstance, and those who compete in them.</summary>
/// <param name="Name">On the command line, and of its files.</param>
/// <param name="Title">In the report.</param>
/// <param name="Scenarios">In the order of the report.</param>
/// <param name="WithPgBench">Whether PostgreSQL's own client competes too.</param>
internal sealed record Sweep(string Name, string Title, IReadOnlyList<Scenario> Scenarios, bool WithPgBench = false)
{
    /// <summary>Of every set where the number of callers matters: as many as the callers of one row write.</summary>
    public const int KeysOfAHotRow = Caller.MostWriters * Caller.OwnKeys;

    public static readonly Sweep Duel = new(
        "duel", "One caller, no network in between", [new() { Prepared = true }, new() { Prepared = false }], WithPgBench: true);

    public static readonly Sweep Latency = new(
        "latency",
        "Network latency: 8 callers",
        [
            .. from hot in new[] { false, true }
            from delay in new[] { 0, 0.5, 1, 5 }
            select new Scenario { Hot = hot, DelayMilliseconds = delay, Callers = 8, Keys = KeysOfAHotRow },
        ],
        WithPgBench: true);

    public static readonly Sweep Callers = new(
        "callers",
        "Callers: 1 ms each way, sets of the same size",
        [
            .. from hot in new[] { false, true }
            from callers in new[] { 1, 4, 8, 32, 128 }
            select new Scenario { Hot = hot, DelayMilliseconds = 1, Callers = callers, Keys = KeysOfAHotRow },
        ]);

    public static readonly Sweep Far = new(
        "far",
        "Callers: 5 ms each way",
        [
            .. from hot in new[] { false, true }
            from callers in new[] { 8, 32 }
            select new Scenario { Hot = hot, DelayMilliseconds = 5, Callers = callers, Keys = KeysOfAHotRow },
        ]);

    public static readonly Sweep Size = new(
        "size",
        "Size of the set: one caller, no network in between",
        [new() { Keys = 5 }, new() { Keys = 50 }, new() { Keys = 500 }, new() { Keys = 500, ValueLength = 110 }]);

    public static readonly Sweep Rows = new(
        "rows",
        "Rows in the table: one caller that goes through 1,000 of them, no network in between",
        [.. from rows in new[] { 1_000, 10_000, 100_000, 1_000_000 } select new Scenario { TableRows = rows, RowsPerCaller = 1_000 }]);

    public static IReadOnlyList<Sweep> All { get; } = [Duel, Latency, Callers, Far, Size, Rows];

    /// <summary>The same with some of the scenarios.</summary>
    public Sweep Where(Func<Scenario, bool> isWanted) => this with { Scenarios = [.. Scenarios.Where(isWanted)] };
}
