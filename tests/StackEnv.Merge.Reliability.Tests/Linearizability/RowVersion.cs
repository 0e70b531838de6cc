namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>One committed write of a row.</summary>
/// <param name="Version">Its place in the order of the commits.</param>
/// <param name="Writer">The application name of the session that wrote.</param>
/// <param name="State">The row as it was left; <see langword="null"/> where it was removed.</param>
internal sealed record RowVersion(long Version, string Writer, StackState? State);
