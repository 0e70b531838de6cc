namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>Runs alone: what is measured there is the whole process.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class RunsAlone
{
    public const string Name = "runs alone";
}
