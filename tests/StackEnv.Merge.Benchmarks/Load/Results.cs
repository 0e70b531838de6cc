namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Everything that one run of the program measured.</summary>
internal sealed class Results
{
    private readonly Dictionary<Scenario, ContestResult> _contests = [];

    public List<Sweep> Sweeps { get; } = [];

    public IReadOnlyList<Anatomy> Anatomies { get; set; } = [];

    public double DictionaryBytes { get; set; }

    public (double Direct, IReadOnlyList<(double Wanted, double RoundTrip)> ThroughProxy)? Delay { get; set; }

    /// <summary>The 99th percentile of a stack's merges in ms, alone and while others wait for a stuck stack.</summary>
    public (Spread Alone, Spread BesideStuck)? Neighbour { get; set; }

    public IReadOnlyCollection<ContestResult> Contests => _contests.Values;

    public void Add(ContestResult result) => _contests[result.Scenario] = result;

    public bool Has(Scenario scenario) => _contests.ContainsKey(scenario);

    public ContestResult? Find(Scenario scenario) => _contests.GetValueOrDefault(scenario);

    /// <summary>A sweep's results, in the order of its scenarios.</summary>
    public IReadOnlyList<ContestResult> Of(Sweep sweep) => [.. sweep.Scenarios.Where(Has).Select(scenario => _contests[scenario])];

    public Anatomy? Anatomy(string contestant, bool prepared) =>
        Anatomies.FirstOrDefault(anatomy => anatomy.Contestant == contestant && anatomy.Prepared == prepared);
}
