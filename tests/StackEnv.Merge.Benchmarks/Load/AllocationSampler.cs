using System.Diagnostics.Tracing;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Notes which types are allocated, by the runtime's own samples: one for about each 100 KB.</summary>
internal sealed class AllocationSampler : EventListener
{
    private const EventKeywords GarbageCollector = (EventKeywords)1;
    private const int AllocationTick = 10;
    private const int AmountField = 3;
    private const int TypeField = 5;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, long> _bytes = new(StringComparer.Ordinal);

    /// <summary>The types and their shares of all bytes, the largest first.</summary>
    public IReadOnlyList<(string Type, double Share)> Shares
    {
        get
        {
            lock (_gate)
            {
                var total = (double)_bytes.Values.Sum();
                return [.. _bytes.OrderByDescending(static pair => pair.Value).Select(pair => (pair.Key, pair.Value / total))];
            }
        }
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name is "Microsoft-Windows-DotNETRuntime")
        {
            EnableEvents(eventSource, EventLevel.Verbose, GarbageCollector);
        }
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        // The base class calls this before the fields of this one exist.
        if (eventData.EventId != AllocationTick || _bytes is null)
        {
            return;
        }

        lock (_gate)
        {
            var type = (string)eventData.Payload![TypeField]!;
            _bytes[type] = _bytes.GetValueOrDefault(type) +
                Convert.ToInt64(eventData.Payload[AmountField], System.Globalization.CultureInfo.InvariantCulture);
        }
    }
}
