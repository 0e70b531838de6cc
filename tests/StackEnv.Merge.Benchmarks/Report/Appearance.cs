using ScottPlot;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>What a contestant looks like in every plot, and what it is called there.</summary>
/// <param name="Name">On the command line and in the figures.</param>
/// <param name="Title">In tables and plots.</param>
/// <param name="Color">The same everywhere, and distinguishable for colour-blind readers.</param>
/// <param name="Width">Of its line.</param>
/// <param name="Marker">Open for the limits, which are no way to merge.</param>
internal sealed record Appearance(string Name, string Title, Color Color, float Width, MarkerShape Marker)
{
    /// <summary>In the order of tables.</summary>
    public static IReadOnlyList<Appearance> All { get; } =
    [
        new("library", "StackEnv.Merge", Color.FromHex("#0072B2"), 3.5f, MarkerShape.FilledCircle),
        new("bare", "bare UPDATE", Color.FromHex("#555555"), 2, MarkerShape.OpenCircle),
        new("npgsql", "one by one, Npgsql", Color.FromHex("#E69F00"), 2, MarkerShape.FilledDiamond),
        new("dapper", "one by one, Dapper", Color.FromHex("#B8860B"), 2, MarkerShape.FilledTriangleUp),
        new("byhand", "FOR UPDATE by hand", Color.FromHex("#D55E00"), 2, MarkerShape.FilledTriangleDown),
        new("efcore", "EF Core, xmin", Color.FromHex("#009E73"), 2, MarkerShape.FilledSquare),
        new("lock", "DistributedLock", Color.FromHex("#CC79A7"), 2, MarkerShape.FilledCircle),
        new("pgbench-bare", "bare UPDATE, pgbench", Color.FromHex("#999999"), 1.5f, MarkerShape.OpenSquare),
        new("pgbench-library", "our SQL, pgbench", Color.FromHex("#56B4E9"), 1.5f, MarkerShape.OpenSquare),
    ];
    public static Appearance Of(string name) => All.Single(appearance => appearance.Name == name);
}
