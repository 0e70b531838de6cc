using StackEnv.Merge.Reliability.Tests.Waits;

namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>
/// Merges by many callers on few stacks, while other sessions change the same rows: every answer has its place in the row's history.
/// </summary>
public sealed class LinearizabilityTests(ITestOutputHelper output) : DatabaseTest
{
    private const int Callers = 12;
    private const int StacksAtOnce = 3;
    private const int OperationsOfACaller = 42;

    [Fact]
    public async Task Every_answer_is_explained_by_one_place_in_the_history_of_the_row()
    {
        // A run is an episode of some five hundred operations. A replay asks for the same ones; how they meet is the machine's.
        var campaign = Campaign.Start(output, "linearizability", shortForm: 12, fullForm: 240);
        await Journal.CreateAuditAsync(Database);
        var history = await RowHistory.CreateAsync(Database);
        using var inLine = new WaitingMerges();
        var operations = new List<Operation>();
        var unexplained = new List<(string? Kind, string Text)>();
        var versions = 0;
        foreach (var options in OptionSet.All)
        {
            var names = Enumerable.Range(0, Callers).Select(static number => $"caller-{number}").ToList();
            var hosts = (options.SharedPool is null ? names : ["callers"]).ConvertAll(name => new MergingHost(name, Database, options));
            Caller[] callers = [.. names.Select((name, number) => new Caller(name, hosts[number % hosts.Count], history))];
            foreach (var run in campaign.Numbers.Where(run => OptionSet.All[run % OptionSet.All.Length] == options))
            {
                var stacks = await Stacks.InsertAsync(Database, StacksAtOnce);
                var done = await RunAsync(callers, stacks, options, campaign.RandomOf(run));
                foreach (var merges in done.GroupBy(static operation => operation.Request.Stack))
                {
                    var recorded = await history.OfAsync(merges.Key);
                    versions += recorded.Count;
                    var check = new HistoryCheck(recorded, [.. merges], callers.Select(static caller => caller.Name));
                    unexplained.AddRange(check.Unexplained().Select(found =>
                        (found.Operation?.Request.Kind, $"Run {run}, {options}: {found.Text}\n{campaign.Replay(run)}")));
                    Assert.Equal(recorded.LastOrDefault()?.State, await history.RowAsync(merges.Key));
                    Assert.Equal(
                        options.WithJournal ? recorded.Where(version => callers.Any(caller => caller.Name == version.Writer))
                            .Select(static version => version.State!.Env) : [],
                        await history.AuditedAsync(merges.Key));
                }

                operations.AddRange(done);
            }

            foreach (var host in hosts)
            {
                await host.DisposeAsync();
            }
        }

        Report(campaign, operations, unexplained.ConvertAll(static found => found.Kind), versions, inLine.Entered);
        Assert.True(unexplained.Count == 0, string.Join('\n', unexplained.Take(5).Select(static found => found.Text)));
        Assert.Equal(0, inLine.Count);
        Assert.True(inLine.Entered > 0, "No merge had to wait in line.");
        Assert.Superset(
            new HashSet<string> { "committed", "unchanged", "stack_deleting", "version_mismatch", "env_too_large", "not_found" },
            operations.Select(static operation => operation.Told.Code).ToHashSet());
    }

    private static async Task<List<Operation>> RunAsync(Caller[] callers, Stacks stacks, OptionSet options, Random random)
    {
        var seeds = callers.Select(_ => random.Next()).ToArray();
        using var stop = new CancellationTokenSource();
        var disturbances = stacks.DisturbAsync(new(random.Next()), stop.Token);
        var merging = callers.Select((caller, index) => Task.Run(async () =>
        {
            var requests = new RequestSource(caller.Name, stacks.Ids, options, new(seeds[index]));
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

    private static void Report(Campaign campaign, List<Operation> operations, List<string?> unexplained, int versions, int waitedInLine)
    {
        var told = operations.Select(static operation => operation.Told.Code).Distinct().Order(StringComparer.Ordinal).ToArray();
        campaign.Report(
            $"{operations.Count} operations of {Callers} callers at a time on {StacksAtOnce} stacks, {versions} versions of rows, " +
            $"{waitedInLine} waits in line; one part in {OptionSet.All.Length} each {string.Join("; ", OptionSet.All.AsEnumerable())}.");
        campaign.ReportTable(
            ["operation", .. told, "all", "unexplained"],
            operations
                .GroupBy(static operation => operation.Request.Kind)
                .OrderBy(static kind => kind.Key, StringComparer.Ordinal)
                .Select(kind => Row(kind.Key, [.. kind], unexplained.Count(other => other == kind.Key)))
                .Append(Row("all", operations, unexplained.Count)));

        IReadOnlyList<object> Row(string name, List<Operation> rows, int unexplainedOfThem) =>
            [name, .. told.Select(code => (object)rows.Count(operation => operation.Told.Code == code)), rows.Count, unexplainedOfThem];
    }
}
