namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>What the contract says of one case.</summary>
/// <param name="Told">What the caller may be told. More than one only if several of the changes, or two of the columns, are wrong.</param>
/// <param name="Stored">What the row holds afterwards; <see langword="null"/> if it is untouched.</param>
/// <param name="Decision">
/// The size that was checked against the limit, and how large the set was before; <see langword="null"/> if no size was checked.
/// </param>
internal sealed record Expectation(IReadOnlySet<Told> Told, JsonObject? Stored = null, (int Bytes, int BytesBefore)? Decision = null)
{
    public static Expectation Of(Told told, (int Bytes, int BytesBefore)? decision = null) =>
        new(new HashSet<Told> { told }, Decision: decision);
}
