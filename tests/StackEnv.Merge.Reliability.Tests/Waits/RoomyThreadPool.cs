namespace StackEnv.Merge.Reliability.Tests.Waits;

/// <summary>
/// Enough threads to measure with. The test host blocks some of the pool's threads, and on two cores a task then waits up to a second for
/// its thread: the test would measure that.
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
