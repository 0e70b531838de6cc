namespace StackEnv.Merge.Protocol;

/// <summary>What is known of the table, from one look at the catalogs.</summary>
/// <param name="IsJudged">Whether the catalogs say if the key is unique: not of a view, a foreign table, or a table with heirs.</param>
/// <param name="IsKeyUnique">Whether no two rows have the same key.</param>
/// <param name="IsKeyUniqueWithOwner">Whether no two rows of one owner have the same key.</param>
/// <param name="NeedsStrongLock">Whether a unique index holds a column that a merge, or a trigger, writes.</param>
/// <param name="SuppressesWarnings">Whether the session keeps the server's warnings from the client.</param>
internal sealed record TableFacts(
    bool IsJudged, bool IsKeyUnique, bool IsKeyUniqueWithOwner, bool NeedsStrongLock, bool SuppressesWarnings)
{
    /// <summary>Nothing is known: the look was refused, or found no table. The merge itself will say more.</summary>
    public static TableFacts Unknown { get; } = new(
        IsJudged: false, IsKeyUnique: false, IsKeyUniqueWithOwner: false, NeedsStrongLock: false, SuppressesWarnings: true);

    /// <summary>Whether at most one row can match. Otherwise COMMIT must wait until the rows have been counted.</summary>
    public bool ProvesOneRow(StackRef stack) => IsKeyUnique || (IsKeyUniqueWithOwner && stack.Owner is not null);
}
