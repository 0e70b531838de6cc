using System.Data.Common;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>What a row holds, its physical version included.</summary>
/// <param name="Version">Where the row is, and which transaction wrote it there.</param>
/// <param name="Env">The document as the server prints it.</param>
/// <param name="Count">The number in the version column; <see langword="null"/> is SQL NULL.</param>
/// <param name="IsTouched">Whether the time was written.</param>
/// <param name="Others">Every other column.</param>
/// <param name="EqualsExpected">Whether the document equals the expected one by jsonb's own equality; false where none is expected.</param>
/// <param name="ReadsBack">Whether each value reads back as it was set; false where none is expected.</param>
/// <param name="Witness">Where the row is that no case may touch.</param>
internal sealed record RowState(
    string Version, string? Env, long? Count, bool IsTouched, string Others, bool EqualsExpected, bool ReadsBack, string Witness)
{
    /// <summary>The first columns to select for <see cref="Read"/>.</summary>
    public static string Columns(string owner, string status, string env, string updatedAt, string version) =>
        $"concat_ws(' ', ctid, xmin), {env}::text, {updatedAt} > 'epoch', quote_nullable({owner}) || quote_nullable({status}), {version}";

    public static RowState Read(DbDataReader reader) => new(
        reader.GetString(0),
        reader.IsDBNull(1) ? null : reader.GetString(1),
        reader.IsDBNull(4) ? null : reader.GetInt64(4),
        reader.GetBoolean(2),
        reader.GetString(3),
        !reader.IsDBNull(5) && reader.GetBoolean(5),
        !reader.IsDBNull(5) && !reader.IsDBNull(6) && reader.GetBoolean(6),
        Witness: "");
}
