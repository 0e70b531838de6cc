namespace StackEnv.Samples.Worker;

/// <summary>The configuration section <c>Worker</c>.</summary>
internal sealed class WorkerOptions
{
    /// <summary>How many requests this process works on at once, each of another stack.</summary>
    public int Concurrency { get; set; } = 8;

    /// <summary>How long a new or a due request waits at most when no notification tells of it.</summary>
    public TimeSpan PollingInterval { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long one attempt waits for the stack's row.</summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The first back-off of a request that was put back; it doubles with each attempt, up to a minute.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>After so many attempts a request is given up as <c>failed</c>.</summary>
    public int MaxAttempts { get; set; } = 60;

    /// <summary>How often stacks are looked for that are to be deleted.</summary>
    public TimeSpan TeardownInterval { get; set; } = TimeSpan.FromMilliseconds(500);
}
