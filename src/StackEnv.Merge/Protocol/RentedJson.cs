using System.Buffers;
using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>The text of one document, in memory that is wiped and given back: it is full of secrets.</summary>
internal sealed class RentedJson : IDisposable
{
    private readonly int _length;
    private byte[]? _buffer;

    private RentedJson(byte[] buffer, int length)
    {
        _buffer = buffer;
        _length = length;
    }

    public ReadOnlyMemory<byte> Utf8 => _buffer.AsMemory(0, _length);

    /// <summary>Copies the column of the row that the reader is on; <see langword="null"/> where it is SQL NULL.</summary>
    public static RentedJson? Read(NpgsqlDataReader reader, int ordinal)
    {
        if (reader.IsDBNull(ordinal))
        {
            return null;
        }

        using var column = reader.GetStream(ordinal);
        var length = (int)column.Length;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        column.ReadExactly(buffer, 0, length);
        return new(buffer, length);
    }

    public void Dispose()
    {
        if (_buffer is { } buffer)
        {
            _buffer = null;
            buffer.AsSpan(0, _length).Clear();
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
