namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>How long is measured. Short windows and many rounds: what disturbs the machine then disturbs all contestants alike.</summary>
/// <param name="Rounds">How often each contestant has its turn.</param>
/// <param name="Window">How long a turn is measured.</param>
/// <param name="WarmUp">How long the callers merge before that, in each turn.</param>
internal sealed record Effort(int Rounds, TimeSpan Window, TimeSpan WarmUp)
{
    /// <summary>How long each contestant merges before its first turn, until the runtime has compiled what is hot.</summary>
    public TimeSpan FirstWarmUp { get; init; } = TimeSpan.FromSeconds(1);
}
