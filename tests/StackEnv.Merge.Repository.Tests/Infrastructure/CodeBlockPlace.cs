namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>Where a code block is: its page, its language, and its number among the blocks of that language.</summary>
public sealed record CodeBlockPlace(string Document, string Language, int Number);
