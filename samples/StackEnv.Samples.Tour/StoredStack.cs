namespace StackEnv.Samples.Tour;

/// <summary>A stack's row.</summary>
/// <param name="Env">Its variables.</param>
/// <param name="Version">PostgreSQL's name for this version of the row; another one means that the row was written.</param>
internal sealed record StoredStack(IReadOnlyDictionary<string, string> Env, string Version);
