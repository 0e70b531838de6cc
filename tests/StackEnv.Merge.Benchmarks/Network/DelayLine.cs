using System.Collections.Concurrent;
using System.Net.Sockets;

namespace StackEnv.Merge.Benchmarks.Network;

/// <summary>
/// Hands on the chunks of all connections when they are due. All are delayed by the same time, so that they are due in the order in which
/// they came, and one thread serves them all.
/// </summary>
internal sealed class DelayLine : IDisposable
{
    private readonly BlockingCollection<Chunk> _queue = [];
    private readonly ConcurrentBag<Chunk> _spare = [];
    private readonly Thread _thread;

    public DelayLine()
    {
        _thread = new(HandOn) { IsBackground = true, Name = "delay line", Priority = ThreadPriority.Highest };
        _thread.Start();
    }

    public Chunk Rent(Socket destination)
    {
        var chunk = _spare.TryTake(out var spare) ? spare : new();
        chunk.Destination = destination;
        return chunk;
    }

    public void Enqueue(Chunk chunk) => _queue.Add(chunk);

    public void Dispose()
    {
        _queue.CompleteAdding();
        _thread.Join();
        _queue.Dispose();
    }

    private void HandOn()
    {
        Alarm.BeAccurate();
        foreach (var chunk in _queue.GetConsumingEnumerable())
        {
            Alarm.WaitUntil(chunk.Due);
            try
            {
                if (chunk.Length == 0)
                    chunk.Destination.Shutdown(SocketShutdown.Send);
                else
                    Send(chunk);
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                // Nobody is there any more to hand it to.
            }

            _spare.Add(chunk);
        }
    }

    private static void Send(Chunk chunk)
    {
        for (var sent = 0; sent < chunk.Length;)
            sent += chunk.Destination.Send(chunk.Buffer.AsSpan(sent, chunk.Length - sent));
    }
}
