namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>Everything of a stack's row that decides about a merge. Where there is no row there is no state.</summary>
/// <param name="Owner">Whose stack it is.</param>
/// <param name="Status">What it is doing.</param>
/// <param name="Env">Its set, as <see cref="EnvText"/> writes it.</param>
/// <param name="Version">How many merges have written it; a row that is inserted begins with 0.</param>
internal sealed record StackState(Guid Owner, string Status, string Env, long Version);
