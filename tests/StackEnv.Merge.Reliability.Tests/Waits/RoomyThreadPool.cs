namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>
/// Threads enough to measure with. The test host blocks some of the pool's for itself, and on two cores a task of nobody's doing then waits
/// up to a second for its thread: that would be what is measured.
/// </summary>
public sealed class RoomyThreadPool
{
    private const int Threads = 32;

    public RoomyThreadPool()
    {
        ThreadPool.GetMinThreads(out var workers, out var ports);
        ThreadPool.SetMinThreads(Math.Max(workers, Threads), ports);
    }
}
