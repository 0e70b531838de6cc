using System.Collections.Concurrent;
using System.Net.Sockets;

namespace StackEnv.Merge.Benchmarks.Network;

/// <summary>
/// Hands on the chunks of all connections when they are due. All are delayed by the same time, so that they are due in the order in which
/// they came, and one thread serves them all.
/// </summary>
internal sealed class DelayLine : IDisposable
{
    private readonly Queue<Chunk> _queue = [];
    private readonly ConcurrentBag<Chunk> _spare = [];
    private readonly Thread _thread;
    private bool _isClosed;

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

    public void Enqueue(Chunk chunk)
    {
        lock (_queue)
        {
            _queue.Enqueue(chunk);
            Monitor.Pulse(_queue);
        }
    }

    public void Dispose()
    {
        lock (_queue)
        {
            _isClosed = true;
            Monitor.Pulse(_queue);
        }

        _thread.Join();
    }

    private void HandOn()
    {
        Alarm.BeAccurate();
        while (Next() is { } chunk)
        {
            Alarm.WaitUntil(chunk.Due);
            try
            {
                if (chunk.Length == 0)
                {
                    chunk.Destination.Shutdown(SocketShutdown.Send);
                }
                else
                {
                    Send(chunk);
                }
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                // The receiver is gone.
            }

            _spare.Add(chunk);
        }
    }

    // Blocks without spinning first, unlike the collections of the framework: the processor is the contestants'.
    private Chunk? Next()
    {
        lock (_queue)
        {
            while (_queue.Count == 0 && !_isClosed)
            {
                Monitor.Wait(_queue);
            }

            return _queue.TryDequeue(out var chunk) ? chunk : null;
        }
    }

    private static void Send(Chunk chunk)
    {
        for (var sent = 0; sent < chunk.Length;)
        {
            sent += chunk.Destination.Send(chunk.Buffer.AsSpan(sent, chunk.Length - sent));
        }
    }
}
