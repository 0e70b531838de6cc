namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>Tests that measure time run when the others have finished: a campaign beside them would be what they measure.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class WaitsAlone : ICollectionFixture<WaitFigures>, ICollectionFixture<RoomyThreadPool>
{
    public const string Name = "Waits";
}
