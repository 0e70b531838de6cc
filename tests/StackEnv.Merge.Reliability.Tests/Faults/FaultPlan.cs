namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>
/// One run of the campaign: which merge, in which setting, and which fault where. Drawn from the run's own source alone.
/// </summary>
internal sealed class FaultPlan
{
    // What poolers say of themselves; servers say each of them too, but name the routine.
    private static readonly string[] PoolersSqlStates =
        [
            "57P01", "57P02", "57P03", "57P05", "57014", "53200", "53300", "25P03", "25P04", "08006", "08P01", "40001", "55P03",
            "58000", "XX000",
        ];

    private static readonly TimeSpan BeyondTimeLimit = FaultLane.TimeLimit + TimeSpan.FromSeconds(3);

    /// <param name="random">The run's.</param>
    /// <param name="marker">What every value contains.</param>
    /// <param name="messages">How many messages a merge takes in a given setting.</param>
    public FaultPlan(Random random, string marker, MessageCounts messages)
    {
        Kind = FaultKinds.Draw(random);
        Settings = LaneSettings.Draw(random);
        EarlierMerges =
            Kind.StrikesProcess() ? MessageCounts.EarlierMerges[random.Next(1, 3)] : MessageCounts.EarlierMerges[random.Next(3)];
        DropsCancelRequests = random.Next(3) == 0;
        Delivers = random.Next(2) == 0;
        Pause = TimeSpan.FromMilliseconds(random.NextDouble() * random.NextDouble() * 25);

        var (fromClient, fromServer) = messages.Of(Settings, EarlierMerges);
        (string Key, double Seconds)? stall = null;
        if (Kind != FaultKind.LockedRow)
        {
            var strikesServer = random.Next(2) == 0;
            var offset = random.Next(2) == 0 ? 0 : random.Next(1, int.MaxValue);
            Wire = new(strikesServer, random.Next(strikesServer ? fromServer : fromClient), offset, ActionOf(Kind, random));
            if (Kind == FaultKind.PoolerError)
            {
                Wire = PoolersError(Wire, random);
            }

            var works = Kind == FaultKind.TimeLimit ? random.Next(3) == 0 : Kind.MayStrikeWhileServerWorks() && random.Next(2) == 0;
            if (works)
            {
                // From the client's last message on the server has all that it needs.
                Wire = new(FromServer: false, fromClient - 1, Offset: 0, WireAction.Pass);
                var seconds = Kind == FaultKind.TimeLimit ? BeyondTimeLimit.TotalSeconds : random.NextDouble() * 0.03;
                stall = (random.Next(2) == 0 ? Stall.InWrite : Stall.InCommit, seconds);
            }
        }

        Merge = new(random, marker, stall);
    }

    public FaultKind Kind { get; }

    public LaneSettings Settings { get; }

    /// <summary>How many merges the connection has served before; 0: it is opened within the merge.</summary>
    public int EarlierMerges { get; }

    /// <summary>Where on the wire it strikes.</summary>
    public WireFault? Wire { get; }

    /// <summary>How long after that the caller gives up, or the server's process is struck, or the delay ends.</summary>
    public TimeSpan Pause { get; }

    public bool DropsCancelRequests { get; }

    /// <summary>Whether what the wire held back arrives in the end.</summary>
    public bool Delivers { get; }

    public RandomMerge Merge { get; }

    public override string ToString() =>
        $"{Kind} at {Wire}, {Settings}, {nameof(EarlierMerges)} = {EarlierMerges}, {nameof(Pause)} = {Pause.TotalMilliseconds:F1} ms, " +
        $"{nameof(DropsCancelRequests)} = {DropsCancelRequests}, {nameof(Delivers)} = {Delivers}, " +
        $"keys {string.Join(' ', Merge.Changes.Keys)}";

    // The driver would lose track of what it has prepared on a connection that stays open without the server's answer.
    private WireFault PoolersError(WireFault at, Random random)
    {
        var sqlState = PoolersSqlStates[random.Next(PoolersSqlStates.Length)];
        var staysOpen = at.FromServer && !Settings.Prepares && random.Next(3) == 0;
        var offset = random.Next(4) > 0 ? 0 : WireFault.Whole;
        return at with
        {
            Offset = offset,
            Action = staysOpen ? WireAction.DropUntilReady : at.FromServer ? WireAction.HalfClose : WireAction.Close,
            Says = [random.Next(4) > 0 ? WireMessage.Fatal(sqlState) : WireMessage.Error(sqlState)],
        };
    }

    private static WireAction ActionOf(FaultKind kind, Random random) => kind switch
    {
        FaultKind.Close => WireAction.Close,
        FaultKind.Reset => WireAction.Reset,
        FaultKind.HalfClose => WireAction.HalfClose,
        FaultKind.Silence => WireAction.Silence,
        FaultKind.Blackhole => WireAction.Blackhole,
        FaultKind.TimeLimit => random.Next(2) == 0 ? WireAction.Silence : WireAction.Blackhole,
        _ => WireAction.Hold,
    };
}
