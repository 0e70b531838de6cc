namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>What the contract says of one case.</summary>
/// <param name="Verdicts">What the caller may be told. More than one only where several of the changes, or two of the columns, are wrong.</param>
/// <param name="Stored">What the row holds afterwards; <see langword="null"/> where it is untouched.</param>
/// <param name="Env">What the result shows; <see langword="null"/> where there is none.</param>
/// <param name="Decision">The size that was decided about, and how large the set was before; <see langword="null"/> where it did not come to that.</param>
internal sealed record Expectation(
    IReadOnlySet<string> Verdicts, JsonObject? Stored = null, IReadOnlyDictionary<string, string>? Env = null, (int Bytes, int BytesBefore)? Decision = null)
{
    public static Expectation Of(string verdict, (int Bytes, int BytesBefore)? decision = null) =>
        new(new HashSet<string>(StringComparer.Ordinal) { verdict }, Decision: decision);
}
