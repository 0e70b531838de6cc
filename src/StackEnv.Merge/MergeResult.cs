using System.Globalization;
using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace StackEnv.Merge;

/// <summary>
/// What a merge did. The counts and the names of keys hold no secret. <see cref="Env"/> does: <see cref="ToString"/> and serializers leave
/// it out.
/// </summary>
/// <remarks>Hosts can construct results themselves, to fake a merger in their tests.</remarks>
public sealed class MergeResult
{
    /// <summary>
    /// Gets the whole set after the merge, as the UPDATE wrote it; keys are compared ordinally. A stored value that is not a string reads
    /// as its JSON text.
    /// </summary>
    /// <remarks>
    /// What BEFORE triggers changed is in it. What an AFTER trigger or a journal writes into the same row is not. A merger's results are
    /// read-only. <c>System.Text.Json</c> does not serialize this property, and neither do serializers that honour
    /// <see cref="IgnoreDataMemberAttribute"/>, because it holds every secret of the stack.
    /// </remarks>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWriting)]
    [IgnoreDataMember]
    public required IReadOnlyDictionary<string, string> Env { get; init; }

    /// <summary>Gets how many of the changes had a non-empty value, including keys that already held that very value.</summary>
    public required int KeysSet { get; init; }

    /// <summary>Gets how many keys the merge deleted: only keys that were there.</summary>
    public required int KeysDeleted { get; init; }

    /// <summary>Gets how many keys the set has after the merge.</summary>
    public required int TotalAfter { get; init; }

    /// <summary>
    /// Gets whether the row was written. If <see langword="false"/>, the set already was as requested, and the row is untouched.
    /// </summary>
    public required bool Changed { get; init; }

    /// <summary>
    /// Gets the keys that the merge set and that the row did not have, in ordinal order; empty if it added none or wrote nothing.
    /// </summary>
    /// <remarks>
    /// The changes compared with the row as it was read under its lock. What a BEFORE trigger makes of them is not the merge's change: it
    /// is in <see cref="Env"/> alone.
    /// </remarks>
    public IReadOnlyList<string> AddedKeys { get; init; } = [];

    /// <summary>
    /// Gets the keys that the merge set and that had another value, in ordinal order; empty if it replaced none or wrote nothing. A stored
    /// value that is not a string, such as a number, is always another value.
    /// </summary>
    /// <remarks><inheritdoc cref="AddedKeys" path="/remarks/node()"/></remarks>
    public IReadOnlyList<string> UpdatedKeys { get; init; } = [];

    /// <summary>
    /// Gets the keys that the merge deleted, in ordinal order: only keys that were there, <see cref="KeysDeleted"/> of them.
    /// </summary>
    /// <remarks><inheritdoc cref="AddedKeys" path="/remarks/node()"/></remarks>
    public IReadOnlyList<string> DeletedKeys { get; init; } = [];

    /// <summary>
    /// Gets the version of the row after the merge, also if it changed nothing. <see langword="null"/> without a
    /// <see cref="StackEnvMergeOptions.VersionColumn"/>.
    /// </summary>
    public long? Version { get; init; }

    /// <summary>Returns the counts, without a key or a value.</summary>
    /// <returns>One line that is safe to log.</returns>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{KeysSet} set, {KeysDeleted} deleted, {TotalAfter} in all{(Changed ? "" : ", unchanged")}");
}
