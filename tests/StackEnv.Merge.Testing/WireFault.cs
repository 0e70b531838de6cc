using System.Text;

namespace StackEnv.Merge.Testing;

/// <summary>One fault on the wire, at one message of the protocol.</summary>
/// <param name="FromServer">Whose messages are counted.</param>
/// <param name="Message">The number of the message, from 0 since the fault was armed.</param>
/// <param name="Offset">
/// How much of the message still passes: 0 strikes before it, <see cref="Whole"/> after it, any other number somewhere inside, as a
/// remainder of its length.
/// </param>
/// <param name="Action">What happens there.</param>
public sealed record WireFault(bool FromServer, int Message, int Offset, WireAction Action)
{
    /// <summary>The <see cref="Offset"/> that lets the whole message pass.</summary>
    public const int Whole = -1;

    /// <summary>Only messages that contain this are counted.</summary>
    public string Text { get; init; } = "";

    /// <summary>What the client is told at this point, ahead of the action.</summary>
    public IReadOnlyList<WireMessage> Says { get; init; } = [];

    /// <summary>Strikes before the next message with this text reaches the server.</summary>
    public static WireFault BeforeClient(string text, WireAction action) =>
        new(FromServer: false, Message: 0, Offset: 0, action) { Text = text };

    /// <summary>Strikes before the next message with this text reaches the client: the server has done its work.</summary>
    public static WireFault BeforeServer(string text, WireAction action) =>
        new(FromServer: true, Message: 0, Offset: 0, action) { Text = text };

    /// <summary>Strikes when the next message with this text has been passed on to the client.</summary>
    public static WireFault AfterServer(string text, WireAction action) => BeforeServer(text, action) with { Offset = Whole };

    public override string ToString() =>
        $"{Action} at message {Message} of the {(FromServer ? "server" : "client")}, " +
        $"offset {Offset}{(Says.Count == 0 ? "" : $", saying {string.Join(", ", Says)}")}";

    internal bool Matches(ReadOnlySpan<byte> message) => Text.Length == 0 || message.IndexOf(Encoding.UTF8.GetBytes(Text)) >= 0;

    internal int OffsetIn(int length) => Offset switch
    {
        0 => 0,
        Whole => length,
        _ => 1 + (Offset % (length - 1)),
    };
}
