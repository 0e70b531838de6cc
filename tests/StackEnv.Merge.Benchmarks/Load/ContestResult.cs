namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>What the contestants did in one scenario, round by round.</summary>
internal sealed record ContestResult(Scenario Scenario, IReadOnlyDictionary<string, IReadOnlyList<Slice>> Slices)
{
    public bool Has(string contestant) => Slices.ContainsKey(contestant);

    /// <summary>One figure of a contestant, over its rounds.</summary>
    public Spread Figure(string contestant, Func<Slice, double> figure) => Spread.Of(Slices[contestant].Select(figure));

    public Spread MergesPerSecond(string contestant) => Figure(contestant, static slice => slice.MergesPerSecond);

    /// <summary>
    /// The ratio of one contestant's merges to the other's, compared within each round: what disturbs the machine disturbs both.
    /// </summary>
    public Spread Ratio(string contestant, string reference) =>
        Spread.Of(Slices[contestant].Zip(Slices[reference], static (one, other) => one.MergesPerSecond / other.MergesPerSecond));
}
