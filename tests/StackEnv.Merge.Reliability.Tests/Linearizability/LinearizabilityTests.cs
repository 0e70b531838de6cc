namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>Merges by many callers on few stacks, while other sessions change the same rows: every answer has its place in the row's history.</summary>
public sealed class LinearizabilityTests(ITestOutputHelper output) : DatabaseTest
{
    private const int Callers = 12;
    private const int StacksAtOnce = 3;
    private const int OperationsOfACaller = 42;

    [Fact]
    public async Task Every_answer_is_explained_by_one_place_in_the_history_of_the_row()
    {
        // A run is an episode of some five hundred operations. A replay asks for the same ones; how they meet is the machine's.
        var campaign = Campaign.Start(output, "linearizability", shortForm: 8, fullForm: 240);
        await Journal.CreateAuditAsync(Database);
        var history = await RowHistory.CreateAsync(Database);
        var operations = new List<Operation>();
        var versions = 0;
        foreach (var options in OptionSet.All)
        {
            var callers = Enumerable.Range(0, Callers).Select(number => new Caller($"caller-{number}", Database, history, options)).ToArray();
            foreach (var run in campaign.Numbers.Where(run => OptionSet.All[run % OptionSet.All.Length] == options))
            {
                var stacks = await Stacks.InsertAsync(Database, StacksAtOnce);
                var done = await RunAsync(callers, stacks, campaign.RandomOf(run));
                var unexplained = new List<string>();
                foreach (var merges in done.GroupBy(static operation => operation.Request.Stack))
                {
                    var recorded = await history.OfAsync(merges.Key);
                    versions += recorded.Count;
                    unexplained.AddRange(new HistoryCheck(recorded, [.. merges], callers.Select(static caller => caller.Name)).Unexplained());
                    Assert.Equal(recorded.LastOrDefault()?.State, await history.RowAsync(merges.Key));
                    Assert.Equal(
                        options.WithJournal ? recorded.Where(version => callers.Any(caller => caller.Name == version.Writer)).Select(static version => version.State!.Env) : [],
                        await history.AuditedAsync(merges.Key));
                }

                Assert.True(
                    unexplained.Count == 0,
                    $"Run {run}, {options}: {unexplained.Count} of {done.Count} operations are not explained.\n  {string.Join("\n  ", unexplained.Take(5))}\n{campaign.Replay(run)}");
                operations.AddRange(done);
            }

            foreach (var caller in callers)
            {
                await caller.DisposeAsync();
            }
        }

        Report(campaign, operations, versions);
        Assert.Superset(
            new HashSet<OutcomeKind> { OutcomeKind.Written, OutcomeKind.Unchanged, OutcomeKind.Deleting, OutcomeKind.TooLarge, OutcomeKind.NotFound },
            operations.Select(static operation => operation.Told.Kind).ToHashSet());
    }

    private static async Task<List<Operation>> RunAsync(Caller[] callers, Stacks stacks, Random random)
    {
        var seeds = callers.Select(_ => random.Next()).ToArray();
        using var stop = new CancellationTokenSource();
        var disturbances = stacks.DisturbAsync(new(random.Next()), stop.Token);
        var merging = callers.Select((caller, index) => Task.Run(async () =>
        {
            var requests = new RequestSource(caller.Name, stacks.Ids, new(seeds[index]));
            var done = new List<Operation>();
            while (done.Count < OperationsOfACaller)
            {
                done.Add(await caller.MergeAsync(requests.Next()));
            }

            return done;
        }));
        var operations = (await Task.WhenAll(merging)).SelectMany(static done => done).ToList();
        await stop.CancelAsync();
        await disturbances;
        return operations;
    }

    private static void Report(Campaign campaign, List<Operation> operations, int versions)
    {
        var told = Enum.GetValues<OutcomeKind>().Where(kind => operations.Exists(operation => operation.Told.Kind == kind)).ToArray();
        campaign.Report($"{operations.Count} operations of {Callers} callers at a time on {StacksAtOnce} stacks, {versions} versions of rows; each a quarter of them {string.Join("; ", OptionSet.All.AsEnumerable())}.");
        campaign.ReportTable(
            ["operation", .. told.Select(static kind => $"{kind}"), "all", "unexplained"],
            operations
                .GroupBy(static operation => operation.Request.Kind)
                .OrderBy(static kind => kind.Key, StringComparer.Ordinal)
                .Append<IEnumerable<Operation>>(operations)
                .Select(rows => (IReadOnlyList<object>)
                [
                    rows is IGrouping<string, Operation> kind ? kind.Key : "all",
                    .. told.Select(kind => (object)rows.Count(operation => operation.Told.Kind == kind)),
                    rows.Count(),
                    0,
                ]));
    }
}
