using System.Buffers.Binary;
using System.Text;

namespace StackEnv.Merge.Testing;

/// <summary>A message that the proxy sends to a client in the name of a pooler or a server.</summary>
public sealed class WireMessage
{
    /// <summary>The text of an error that is given none.</summary>
    public const string Text = "it says so";

    private WireMessage(char type, string description, byte[] body)
    {
        Description = description;
        var bytes = new byte[1 + sizeof(int) + body.Length];
        bytes[0] = (byte)type;
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), sizeof(int) + body.Length);
        body.CopyTo(bytes, 1 + sizeof(int));
        Bytes = bytes;
    }

    internal ReadOnlyMemory<byte> Bytes { get; }

    private string Description { get; }

    /// <summary>An error that ends the session. A pooler names no routine; the server always does.</summary>
    public static WireMessage Fatal(
        string sqlState, string? routine = null, string? where = null, int? position = null, string text = Text) =>
        Report('E', "FATAL", sqlState, text, routine, where, position);

    /// <summary>An error that ends every session of the server.</summary>
    public static WireMessage Panic(string sqlState, string routine) => Report('E', "PANIC", sqlState, Text, routine);

    /// <summary>An error that ends the statement.</summary>
    public static WireMessage Error(
        string sqlState,
        string? routine = null,
        string? where = null,
        int? position = null,
        string? file = null,
        string text = Text) =>
        Report('E', "ERROR", sqlState, text, routine, where, position, file);

    /// <summary>A notice of a severity that clients should see.</summary>
    public static WireMessage Warning(string sqlState, string? routine = null, string? where = null, string text = "it warns") =>
        Report('N', "WARNING", sqlState, text, routine, where);

    /// <summary>A row of columns, as their bytes; <see langword="null"/> for SQL NULL.</summary>
    public static WireMessage Row(params byte[]?[] columns)
    {
        using var body = new MemoryStream();
        Span<byte> number = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt16BigEndian(number, (short)columns.Length);
        body.Write(number[..sizeof(short)]);
        foreach (var column in columns)
        {
            BinaryPrimitives.WriteInt32BigEndian(number, column?.Length ?? -1);
            body.Write(number);
            body.Write(column);
        }

        return new('D', "row", body.ToArray());
    }

    public override string ToString() => Description;

    private static WireMessage Report(
        char type,
        string severity,
        string sqlState,
        string text,
        string? routine,
        string? where = null,
        int? position = null,
        string? file = null)
    {
        var fields = new StringBuilder();
        Add('S', severity);
        Add('V', severity);
        Add('C', sqlState);
        Add('M', text);
        Add('W', where);
        Add('P', position?.ToString(System.Globalization.CultureInfo.InvariantCulture));
        Add('F', file);
        Add('R', routine);
        return new(
            type,
            $"{severity} {sqlState}{(routine is null ? "" : $" of {routine}")}",
            Encoding.UTF8.GetBytes(fields.Append('\0').ToString()));

        void Add(char field, string? value)
        {
            if (value is not null)
            {
                fields.Append(field).Append(value).Append('\0');
            }
        }
    }
}
