namespace StackEnv.Samples.Worker;

/// <summary>The configuration section <c>Worker</c>.</summary>
internal sealed class WorkerOptions
{
    /// <summary>How many requests this process works on at once, each for another stack.</summary>
    public int Concurrency { get; set; } = 8;

    /// <summary>How long a new or due request waits at most if no notification arrives.</summary>
    public TimeSpan PollingInterval { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long one attempt waits for the stack's row.</summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The pause after the first attempt; it doubles with each further one.</summary>
    public TimeSpan RetryDelay { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>The longest pause.</summary>
    public TimeSpan MaxRetryDelay { get; set; } = TimeSpan.FromMinutes(1);
}
