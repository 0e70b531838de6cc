using System.Net.Sockets;

namespace StackEnv.Merge.Benchmarks.Network;

/// <summary>Some bytes on their way to a socket. Made to be used again.</summary>
internal sealed class Chunk
{
    public byte[] Buffer { get; } = new byte[64 * 1024];

    /// <summary>How many bytes there are; none means that the stream is at its end.</summary>
    public int Length { get; set; }

    public Socket Destination { get; set; } = null!;

    /// <summary>When they are to arrive, as a timestamp of the stopwatch.</summary>
    public long Due { get; set; }
}
