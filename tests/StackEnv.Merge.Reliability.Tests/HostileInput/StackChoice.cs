namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Which row there is, and which one the caller asks for.</summary>
/// <param name="KeyType">Of the key column.</param>
/// <param name="OwnerType">Of the owner column.</param>
/// <param name="RowKey">What the row has.</param>
/// <param name="RowOwner">What the row has; <see langword="null"/> for no owner.</param>
/// <param name="Key">What is asked for.</param>
/// <param name="Owner">What is asked for; <see langword="null"/> where no owner is named.</param>
internal sealed record StackChoice(ColumnType KeyType, ColumnType OwnerType, object RowKey, object? RowOwner, object Key, object? Owner)
{
    public StackRef Reference
    {
        get
        {
            StackRef stack = Key switch
            {
                Guid uuid => uuid,
                long bigint => bigint,
                _ => (string)Key,
            };
            return Owner switch
            {
                null => stack,
                Guid uuid => stack.OwnedBy(uuid),
                long bigint => stack.OwnedBy(bigint),
                _ => stack.OwnedBy((string)Owner),
            };
        }
    }

    /// <summary>The same reference, into one version if one is asked for.</summary>
    public StackRef At(long? version) => version is { } asked ? Reference.AtVersion(asked) : Reference;
}
