using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Neighbours;

/// <summary>PgBouncer's admin console. It only knows the simple query protocol, which the driver does not speak.</summary>
internal static class PgBouncerConsole
{
    /// <summary>Runs a command such as <c>PAUSE</c> and returns when PgBouncer has answered it or has closed the connection.</summary>
    public static async Task RunAsync(string connectionString, string command)
    {
        var server = ServerSocket.EndPointOf(connectionString);
        var user = new NpgsqlConnectionStringBuilder(connectionString).Username!;
        using var socket = ServerSocket.NewFor(server);
        await socket.ConnectAsync(server);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Message(type: null, $"\0\u0003\0\0user\0{user}\0database\0pgbouncer\0\0"));
        await UntilReadyAsync(stream);
        await stream.WriteAsync(Message('Q', $"{command}\0"));
        await UntilReadyAsync(stream);
    }

    private static byte[] Message(char? type, string text)
    {
        var body = Encoding.ASCII.GetBytes(text);
        var message = new byte[(type is null ? 0 : 1) + 4 + body.Length];
        if (type is { } letter)
        {
            message[0] = (byte)letter;
        }

        BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(message.Length - body.Length - 4), body.Length + 4);
        body.CopyTo(message, message.Length - body.Length);
        return message;
    }

    private static async Task UntilReadyAsync(NetworkStream stream)
    {
        var header = new byte[5];
        try
        {
            do
            {
                await stream.ReadExactlyAsync(header);
                var body = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(1)) - 4];
                await stream.ReadExactlyAsync(body);
                if (header[0] == (byte)'E')
                {
                    throw new InvalidOperationException(
                        $"PgBouncer refused the command: {Encoding.UTF8.GetString(body).Replace('\0', ' ')}");
                }
            }
            while (header[0] != (byte)'Z');
        }
        catch (Exception closed) when (closed is IOException)
        {
            // SHUTDOWN ends this connection too.
        }
    }
}
