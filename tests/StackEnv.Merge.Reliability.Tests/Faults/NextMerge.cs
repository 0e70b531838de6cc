namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>How the next merge on the same data source went.</summary>
internal enum NextMerge
{
    Succeeded,

    /// <summary>It got a connection that the server had ended while it was idle, or a late cancel, and the one after it succeeded.</summary>
    SucceededAfterRetry,

    /// <summary>It failed without such an excuse.</summary>
    Failed,
}
