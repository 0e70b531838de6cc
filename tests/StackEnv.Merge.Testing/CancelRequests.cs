namespace StackEnv.Merge.Testing;

/// <summary>What becomes of cancel requests, which travel on connections of their own.</summary>
public enum CancelRequests
{
    /// <summary>They reach the server.</summary>
    Pass,

    /// <summary>They are taken and thrown away.</summary>
    Drop,

    /// <summary>They are taken and never answered, as by a machine that stands still behind a connection that was accepted.</summary>
    Hang,
}
