namespace StackEnv.Merge.Protocol;

/// <summary>What one query of the catalogs shows about the table.</summary>
/// <param name="IsJudged">
/// Whether the catalogs show if the key is unique: not for a view, a foreign table, or a table that others inherit from.
/// </param>
/// <param name="IsKeyUnique">Whether no two rows have the same key.</param>
/// <param name="IsKeyUniqueWithOwner">Whether no two rows of one owner have the same key.</param>
/// <param name="NeedsStrongLock">Whether a unique index holds a column that a merge, or a trigger, writes.</param>
/// <param name="SuppressesWarnings">Whether the session's settings keep the server's warnings from the client.</param>
/// <param name="IsDistributed">Whether Citus keeps the table's rows on its workers.</param>
internal sealed record TableFacts(
    bool IsJudged, bool IsKeyUnique, bool IsKeyUniqueWithOwner, bool NeedsStrongLock, bool SuppressesWarnings, bool IsDistributed)
{
    /// <summary>Nothing is known: the query was refused, or found no table. The merge itself will fail with a better message.</summary>
    public static TableFacts Unknown { get; } = new(
        IsJudged: false, IsKeyUnique: false, IsKeyUniqueWithOwner: false, NeedsStrongLock: false, SuppressesWarnings: true,
        IsDistributed: false);

    /// <summary>Whether at most one row can match. Otherwise COMMIT must wait until the rows have been counted.</summary>
    public bool ProvesOneRow(StackRef stack) => IsKeyUnique || (IsKeyUniqueWithOwner && stack.Owner is not null);
}
