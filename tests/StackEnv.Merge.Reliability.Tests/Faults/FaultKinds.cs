namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>How often each <see cref="FaultKind"/> is drawn, and what follows from it.</summary>
internal static class FaultKinds
{
    // Those that stop a server for a second, and those that wait for a time limit of seconds, are drawn less often.
    private static readonly (FaultKind Kind, int Weight)[] Weights =
    [
        (FaultKind.Close, 130),
        (FaultKind.Reset, 130),
        (FaultKind.HalfClose, 110),
        (FaultKind.Silence, 100),
        (FaultKind.Blackhole, 110),
        (FaultKind.PoolerError, 100),
        (FaultKind.TimeLimit, 10),
        (FaultKind.Delay, 50),
        (FaultKind.CancelledToken, 120),
        (FaultKind.LockedRow, 20),
        (FaultKind.TerminatedSession, 105),
        (FaultKind.CancelledQuery, 75),
        (FaultKind.FrozenProcess, 25),
        (FaultKind.KilledProcess, 5),
        (FaultKind.FastRestart, 5),
        (FaultKind.ImmediateRestart, 5),
    ];

    public static FaultKind Draw(Random random)
    {
        var at = random.Next(Weights.Sum(static entry => entry.Weight));
        foreach (var (kind, weight) in Weights)
        {
            at -= weight;
            if (at < 0)
            {
                return kind;
            }
        }

        throw new InvalidOperationException("The weights do not add up.");
    }

    /// <summary>Whether it takes a server that this process may stop and signal.</summary>
    public static bool NeedsOwnServer(this FaultKind kind) => kind == FaultKind.FrozenProcess || kind.StopsServer();

    /// <summary>Whether every session of the server ends.</summary>
    public static bool StopsServer(this FaultKind kind) =>
        kind is FaultKind.KilledProcess or FaultKind.FastRestart or FaultKind.ImmediateRestart;

    /// <summary>
    /// Whether the server, or a pooler in its place, ends the session: in the middle of the merge, or when it is idle again.
    /// </summary>
    public static bool EndsSession(this FaultKind kind) =>
        kind is FaultKind.TerminatedSession or FaultKind.PoolerError || kind.StopsServer();

    /// <summary>
    /// Whether the server process is asked to cancel its current statement, which it may notice as late as in the next one.
    /// </summary>
    public static bool CancelsOnServer(this FaultKind kind) =>
        kind is FaultKind.CancelledToken or FaultKind.CancelledQuery or FaultKind.FrozenProcess;

    /// <summary>Whether the wire alone does everything, without the caller or another session.</summary>
    public static bool IsOfTheWireAlone(this FaultKind kind) =>
        kind is FaultKind.Close or FaultKind.Reset or FaultKind.HalfClose or FaultKind.PoolerError or FaultKind.TimeLimit;

    /// <summary>Whether it strikes a server process, so that there has to be one when the merge begins.</summary>
    public static bool StrikesProcess(this FaultKind kind) =>
        kind.NeedsOwnServer() || kind is FaultKind.TerminatedSession or FaultKind.CancelledQuery;

    /// <summary>Whether it may strike while the server is carrying out the write or the commit.</summary>
    public static bool MayStrikeWhileServerWorks(this FaultKind kind) => kind.StrikesProcess() || kind == FaultKind.CancelledToken;

    /// <summary>Whether this is an allowed answer. Unknown is always true, but not allowed while the connection is usable.</summary>
    public static bool MayBeTold(this FaultKind kind, Told told) => kind switch
    {
        FaultKind.Delay => told.IsCommitted is true,
        FaultKind.LockedRow => told.IsCommitted is false,
        _ => true,
    };
}
