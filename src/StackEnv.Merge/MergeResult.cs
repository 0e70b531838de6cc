using System.Globalization;
using System.Runtime.Serialization;
using System.Text.Json.Serialization;

namespace StackEnv.Merge;

/// <summary>What a merge did. The counts hold no secret; <see cref="Env"/> does, and <see cref="ToString"/> leaves it out.</summary>
/// <remarks>Hosts can make one themselves, to stand in for a merger in their tests.</remarks>
public sealed class MergeResult
{
    /// <summary>
    /// Gets the whole set after the merge, as it was committed; keys are compared ordinally. A stored value that is not a string reads as
    /// its JSON text. It is left out when the result is serialized, because it holds every secret of the stack.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWriting)]
    [IgnoreDataMember]
    public required IReadOnlyDictionary<string, string> Env { get; init; }

    /// <summary>How many of the changes had a non-empty value, also where the key held that very value already.</summary>
    public required int KeysSet { get; init; }

    /// <summary>How many keys the merge took away: only keys that were there.</summary>
    public required int KeysDeleted { get; init; }

    /// <summary>How many keys the set has after the merge.</summary>
    public required int TotalAfter { get; init; }

    /// <summary>Whether the row was written. When <see langword="false"/>, the set was as asked already and the row is untouched.</summary>
    public required bool Changed { get; init; }

    /// <summary>The counts, without a key or a value.</summary>
    /// <returns>One line that is safe to log.</returns>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{KeysSet} set, {KeysDeleted} deleted, {TotalAfter} in all{(Changed ? "" : ", unchanged")}");
}
