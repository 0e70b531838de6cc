using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>What the locked read found.</summary>
internal sealed class LockedRow : IDisposable
{
    private LockedRow(NpgsqlDataReader reader)
    {
        Status = reader.IsDBNull(0) ? null : reader.GetString(0);
        Document = RentedJson.Read(reader, 1);
        Version = reader.FieldCount > 2 ? reader.GetInt64(2) : null;
    }

    public string? Status { get; }

    public RentedJson? Document { get; }

    /// <summary>The version; <see langword="null"/> if the table has no column for it.</summary>
    public long? Version { get; }

    public static LockedRow Read(NpgsqlDataReader reader) => new(reader);

    public void Dispose() => Document?.Dispose();
}
