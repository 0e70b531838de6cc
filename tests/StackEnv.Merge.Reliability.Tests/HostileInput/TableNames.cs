using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>What a host says that its table is called.</summary>
/// <param name="Schema">
/// The end of the schema's name, which begins with that of the lane's; <see langword="null"/> leaves it to the search path.
/// </param>
/// <param name="Table">The table.</param>
/// <param name="Key">The key column.</param>
/// <param name="Owner">The owner column.</param>
/// <param name="Status">The status column.</param>
/// <param name="Env">The column of the set.</param>
/// <param name="UpdatedAt">The column of the time.</param>
/// <param name="Version">The column of the version.</param>
internal sealed record TableNames(
    string? Schema, string Table, string Key, string Owner, string Status, string Env, string UpdatedAt, string Version)
{
    // NAMEDATALEN - 1.
    private const int LongestName = 63;

    /// <summary>The table that every lane has for this pair of types.</summary>
    public static TableNames Ordinary(ColumnType key, ColumnType owner) =>
        new(Schema: null, $"hostile_{key}_{owner}", "id", "owner", "status", "env_vars", "updated_at", "version");

    public IEnumerable<string?> All => [Schema, Table, Key, Owner, Status, Env, UpdatedAt, Version];

    /// <summary>Whether PostgreSQL can tell the columns apart.</summary>
    public bool AreDistinct =>
        new[] { Key, Owner, Status, Env, UpdatedAt, Version }.Select(Cut).Distinct(StringComparer.Ordinal).Count() == 6;

    /// <summary>The name that PostgreSQL makes of a name: its first 63 bytes, up to the end of a character.</summary>
    public static string Cut(string name)
    {
        var cut = new StringBuilder();
        var bytes = 0;
        foreach (var rune in name.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > LongestName)
            {
                break;
            }

            cut.Append(rune.ToString());
        }

        return cut.ToString();
    }
}
