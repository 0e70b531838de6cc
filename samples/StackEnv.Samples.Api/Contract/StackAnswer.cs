namespace StackEnv.Samples.Api.Contract;

/// <summary>One stack.</summary>
internal sealed record StackAnswer(StackView Stack) : Answer;
