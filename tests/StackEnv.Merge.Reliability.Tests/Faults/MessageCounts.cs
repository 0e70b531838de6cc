namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>How many messages a merge takes in each direction, measured once for each setting: where a fault may strike.</summary>
internal sealed class MessageCounts
{
    private readonly Dictionary<(bool HasJournal, bool Prepares, int EarlierMerges), (int FromClient, int FromServer)> _counts = [];

    private MessageCounts()
    {
    }

    /// <summary>A new connection; one that has been used; one on which everything is prepared that ever will be.</summary>
    public static IReadOnlyList<int> EarlierMerges { get; } = [0, 1, 1 + FaultLane.UsesUntilPrepared];

    public static async Task<MessageCounts> MeasureAsync(FaultServer server, string marker)
    {
        var counts = new MessageCounts();
        foreach (var hasJournal in new[] { false, true })
        {
            foreach (var prepares in new[] { false, true })
            {
                var lane = await server.RentAsync(new(hasJournal, prepares, WaitsForCancel: true));
                foreach (var earlier in EarlierMerges)
                {
                    await lane.PrepareAsync(earlier, marker);
                    lane.Proxy.Arm(fault: null);
                    await lane.Merger.MergeAsync(lane.Stack, new Dictionary<string, string?> { ["MEASURED"] = $"{marker} {earlier}" });
                    counts._counts.Add((hasJournal, prepares, earlier), lane.Proxy.Messages);
                }

                server.GiveBack(lane);
            }
        }

        return counts;
    }

    public (int FromClient, int FromServer) Of(LaneSettings settings, int earlierMerges) =>
        _counts[(settings.HasJournal, settings.Prepares, earlierMerges)];
}
