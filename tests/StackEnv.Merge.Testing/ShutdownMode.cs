namespace StackEnv.Merge.Testing;

/// <summary>How a server is stopped.</summary>
public enum ShutdownMode
{
    /// <summary>Every session is ended, what was open is rolled back, and the server closes in good order.</summary>
    Fast,

    /// <summary>Everything is dropped where it stands; the next start recovers from the log.</summary>
    Immediate,
}
