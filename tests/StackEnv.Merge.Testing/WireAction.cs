namespace StackEnv.Merge.Testing;

/// <summary>What becomes of a connection where a <see cref="WireFault"/> strikes.</summary>
public enum WireAction
{
    /// <summary>Everything passes: only the moment is noted.</summary>
    Pass,

    /// <summary>Nothing more passes in this direction until <see cref="FaultProxy.Release"/>.</summary>
    Hold,

    /// <summary>Nothing more passes in either direction until <see cref="FaultProxy.Release"/>, not even the end of the connection.</summary>
    Blackhole,

    /// <summary>What comes from this side is lost from here on, its end included; the other side is still heard.</summary>
    Silence,

    /// <summary>The other side sees an orderly end here; what it sends itself still passes.</summary>
    HalfClose,

    /// <summary>Both sides see an orderly end.</summary>
    Close,

    /// <summary>Both sides see the connection reset.</summary>
    Reset,
}
