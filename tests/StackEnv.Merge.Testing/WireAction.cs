namespace StackEnv.Merge.Testing;

/// <summary>What happens to a connection at the point where a <see cref="WireFault"/> strikes.</summary>
public enum WireAction
{
    /// <summary>Everything passes: only the moment is noted.</summary>
    Pass,

    /// <summary>Nothing more passes in this direction until <see cref="WireProxy.Release"/>.</summary>
    Hold,

    /// <summary>
    /// Nothing more passes in either direction until <see cref="WireProxy.Release"/>, not even the end of the connection.
    /// </summary>
    Blackhole,

    /// <summary>What this side sends is lost from here on, its end included; the other side is still heard.</summary>
    Silence,

    /// <summary>The other side sees an orderly end here; what it sends itself still passes.</summary>
    HalfClose,

    /// <summary>Both sides see an orderly end.</summary>
    Close,

    /// <summary>Both sides see the connection reset.</summary>
    Reset,

    /// <summary>This one message is lost.</summary>
    Drop,

    /// <summary>The server's messages are lost up to its next ReadyForQuery, which passes.</summary>
    DropUntilReady,
}
