namespace StackEnv.Samples.Tour;

/// <summary>Something that the tour claims, and whether it is so.</summary>
internal sealed record Check(string Claim, bool Holds);
