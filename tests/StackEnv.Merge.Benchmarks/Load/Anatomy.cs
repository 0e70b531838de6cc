namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>What one merge of a contestant takes that a busy machine does not change.</summary>
/// <param name="Contestant">Its name.</param>
/// <param name="Prepared">Whether the data source prepares statements.</param>
/// <param name="RoundTrips">How often the client waited for the server.</param>
/// <param name="AllocatedBytes">In the client.</param>
internal sealed record Anatomy(string Contestant, bool Prepared, double RoundTrips, double AllocatedBytes);
