namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>What pgbench runs as one transaction.</summary>
/// <param name="Name">On the command line.</param>
/// <param name="Title">In tables and plots.</param>
/// <param name="Statements">Where <c>$id</c> and <c>$changes</c> stand for the row and what to merge into it.</param>
internal sealed record PgBenchScript(string Name, string Title, IReadOnlyList<string> Statements)
{
    public static readonly PgBenchScript BareUpdate = new(
        "pgbench-bare", "bare UPDATE, pgbench", ["UPDATE stacks SET env_vars = env_vars || $changes WHERE id = $id"]);
}
