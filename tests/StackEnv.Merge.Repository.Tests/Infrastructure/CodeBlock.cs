namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>A fenced block of code as a reader would copy it.</summary>
public sealed record CodeBlock(CodeBlockPlace Place, string Text);
