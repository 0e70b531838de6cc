namespace StackEnv.Merge.Protocol;

/// <summary>Every limit on the time of a merge, and how they follow from <see cref="StackEnvMergeOptions.LockTimeout"/>.</summary>
/// <remarks>docs/protocol.md, "What bounds the time", adds them up.</remarks>
internal sealed class TimeLimits(TimeSpan lockTimeout)
{
    // lock_timeout bounds each wait of the locked read, statement_timeout their sum. With the margin, the more specific error comes first
    // when there is only one wait.
    private static readonly TimeSpan WholeWaitMargin = TimeSpan.FromMilliseconds(100);

    // The client gives up on a silent server only after the server has had every chance to answer.
    private static readonly TimeSpan BatchMargin = TimeSpan.FromSeconds(5);

    // The server gives up on a client that is silent between the two batches only after the client has given up: then the client knows.
    private static readonly TimeSpan IdleMargin = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long a caller waits until its connection is back in the pool; if that takes longer, it goes on without the caller.
    /// </summary>
    public static TimeSpan GivingBack { get; } = TimeSpan.FromSeconds(1);

    /// <summary>How long one merge may wait for its row.</summary>
    public TimeSpan LockTimeout => lockTimeout;

    /// <summary>How long a batch may take, and how long the journals may take to fill one while the row is locked.</summary>
    public TimeSpan Batch => lockTimeout + BatchMargin;

    /// <summary>How long the server keeps a transaction open for a client that sends nothing.</summary>
    public TimeSpan IdleInTransaction => Batch + IdleMargin;

    /// <summary>How long the locked read may take if it may wait this long.</summary>
    public static TimeSpan WholeWait(TimeSpan wait) => wait + WholeWaitMargin;
}
