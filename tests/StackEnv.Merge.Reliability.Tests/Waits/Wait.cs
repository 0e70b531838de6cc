namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>How long one merge waited, and why it gave up, if it did.</summary>
internal sealed record Wait(TimeSpan Elapsed, Exception? Failure);
