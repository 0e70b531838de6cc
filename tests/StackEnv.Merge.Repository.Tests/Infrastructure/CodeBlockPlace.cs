namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>Where a code block stands: the how-manieth of its language on which page.</summary>
public sealed record CodeBlockPlace(string Document, string Language, int Number);
