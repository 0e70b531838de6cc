namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>How long is measured. Short turns, many of them: what disturbs the machine then disturbs all contestants alike.</summary>
/// <param name="Rounds">How many rounds there are, each of which gives one figure.</param>
/// <param name="Turns">How many turns each contestant has within a round.</param>
/// <param name="Window">How long a turn is measured.</param>
/// <param name="WarmUp">
/// How long the callers merge before that, in each turn: long enough that each has its place in the queue for a hot row.
/// </param>
/// <param name="FirstWarmUp">How long each contestant merges before the first round, until the runtime has compiled what is hot.</param>
internal sealed record Effort(int Rounds, int Turns, TimeSpan Window, TimeSpan WarmUp, TimeSpan FirstWarmUp)
{
    /// <summary>For figures to rely on.</summary>
    public static Effort Full(Scenario scenario) => scenario switch
    {
        { Callers: 1, DelayMilliseconds: 0, Keys: >= 500 } =>
            new(Rounds: 12, Turns: 5, Milliseconds(40), Milliseconds(5), Milliseconds(500)),
        { Callers: 1, DelayMilliseconds: 0 } => new(Rounds: 12, Turns: 12, Milliseconds(10), Milliseconds(2), Milliseconds(800)),
        { Callers: 1 } => new(Rounds: 8, Turns: 3, Milliseconds(80), Milliseconds(15), Milliseconds(1_500)),
        { Callers: <= 8 } => new(Rounds: 15, Turns: 1, Milliseconds(300), Milliseconds(100), Milliseconds(1_500)),
        { Callers: <= 32 } => new(Rounds: 8, Turns: 1, Milliseconds(400), Milliseconds(250), Milliseconds(300)),
        _ => new(Rounds: 5, Turns: 1, Milliseconds(800), Milliseconds(900), Milliseconds(0)),
    };

    /// <summary>To see whether all of it works.</summary>
    public static Effort Smoke(Scenario scenario) => scenario switch
    {
        { Callers: 1 } => new(Rounds: 2, Turns: 2, Milliseconds(10), Milliseconds(2), Milliseconds(10)),
        _ => new(Rounds: 2, Turns: 1, Milliseconds(40), Milliseconds(20), Milliseconds(10)),
    };

    private static TimeSpan Milliseconds(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);
}
