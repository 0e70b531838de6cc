namespace StackEnv.Merge.Testing;

/// <summary>One thing that goes wrong on the wire, at one message of the protocol.</summary>
/// <param name="FromServer">Whose messages are counted.</param>
/// <param name="Message">The number of the message, from 0 since the fault was armed.</param>
/// <param name="Offset">
/// How much of the message still passes: 0 strikes before it, any other number somewhere inside, as a remainder of its length.
/// </param>
/// <param name="Action">What happens there.</param>
public sealed record WireFault(bool FromServer, int Message, int Offset, WireAction Action)
{
    internal int OffsetIn(int length) => Offset == 0 ? 0 : 1 + (Offset % (length - 1));
}
