namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>A contestant left a row that is not what its merges had to lead to.</summary>
internal sealed class WrongRowException(string message) : Exception(message);
