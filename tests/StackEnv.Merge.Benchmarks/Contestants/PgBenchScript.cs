namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>What pgbench runs as one transaction.</summary>
/// <param name="Name">In the figures.</param>
/// <param name="Statements">Where <c>$id</c> and <c>$changes</c> stand for the row and what to merge into it.</param>
internal sealed record PgBenchScript(string Name, IReadOnlyList<string> Statements)
{
    public static readonly PgBenchScript BareUpdate = new(
        "pgbench-bare", ["UPDATE stacks SET env_vars = env_vars || $changes WHERE id = $id"]);
}
