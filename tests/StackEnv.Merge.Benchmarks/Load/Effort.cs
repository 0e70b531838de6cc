namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>How long is measured. Short turns, many of them: what disturbs the machine then disturbs all contestants alike.</summary>
/// <param name="Rounds">How many rounds there are, each of which gives one figure.</param>
/// <param name="Turns">How many turns each contestant has within a round.</param>
/// <param name="Window">How long a turn is measured.</param>
/// <param name="WarmUp">How long the callers merge before that, in each turn.</param>
/// <param name="FirstWarmUp">How long each contestant merges before the first round, until the runtime has compiled what is hot.</param>
internal sealed record Effort(int Rounds, int Turns, TimeSpan Window, TimeSpan WarmUp, TimeSpan FirstWarmUp);
