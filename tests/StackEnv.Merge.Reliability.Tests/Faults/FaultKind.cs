namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>The fault in one merge of the campaign.</summary>
internal enum FaultKind
{
    /// <summary>Both sides see the connection end in good order.</summary>
    Close,

    /// <summary>Both sides see the connection reset.</summary>
    Reset,

    /// <summary>One side sees the connection end; the other direction still passes.</summary>
    HalfClose,

    /// <summary>One side is not heard any more, until the caller gives up.</summary>
    Silence,

    /// <summary>Nothing passes any more, until the caller gives up; then what was held arrives after all, or does not.</summary>
    Blackhole,

    /// <summary>A pooler gives the client an error of its own in place of what should pass, and mostly closes the connection.</summary>
    PoolerError,

    /// <summary>
    /// The same as a blackhole, or a server that takes too long, with a caller who does not give up: the merge's own time limit ends it.
    /// </summary>
    TimeLimit,

    /// <summary>One direction is held up for a moment.</summary>
    Delay,

    /// <summary>The caller gives up.</summary>
    CancelledToken,

    /// <summary>Another session holds the row for longer than the merge waits.</summary>
    LockedRow,

    /// <summary><c>pg_terminate_backend</c>.</summary>
    TerminatedSession,

    /// <summary><c>pg_cancel_backend</c>.</summary>
    CancelledQuery,

    /// <summary>The server process stands still until after the caller has given up.</summary>
    FrozenProcess,

    /// <summary><c>kill -9</c> of the server process, after which the server recovers.</summary>
    KilledProcess,

    /// <summary>A fast shutdown and a start.</summary>
    FastRestart,

    /// <summary>An immediate shutdown and a start that recovers.</summary>
    ImmediateRestart,
}
