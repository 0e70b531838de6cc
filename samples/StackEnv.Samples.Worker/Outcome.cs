namespace StackEnv.Samples.Worker;

/// <summary>What is known of a request.</summary>
/// <param name="Status"><c>applied</c>, <c>refused</c>, <c>failed</c>, or <c>pending</c> where it is to be tried again.</param>
/// <param name="Attempts">How many merges were tried for it this time.</param>
/// <param name="ErrorCode">The library's code, unless it was applied.</param>
internal sealed record Outcome(string Status, int Attempts, string? ErrorCode = null);
