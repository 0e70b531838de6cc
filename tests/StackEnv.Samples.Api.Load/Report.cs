using System.Collections.Concurrent;
using System.Net;

namespace StackEnv.Samples.Api.Load;

/// <summary>How many requests ended how, and how long they took.</summary>
internal sealed class Report
{
    private readonly ConcurrentDictionary<(int Status, string Error), int> _counts = new();
    private readonly ConcurrentBag<double> _milliseconds = [];
    private int _tornDown;

    public TimeSpan Elapsed { get; set; }

    public int ServerErrors => _counts.Where(static count => count.Key.Status is 500).Sum(static count => count.Value);

    public void Add(TimeSpan took, HttpStatusCode status, string error)
    {
        _milliseconds.Add(took.TotalMilliseconds);
        _counts.AddOrUpdate(((int)status, error), 1, static (_, count) => count + 1);
    }

    public void AddTornDown() => _tornDown++;

    public void Print(List<string> violations)
    {
        double[] sorted = [.. _milliseconds.Order()];
        Console.WriteLine(
            $"{sorted.Length / Elapsed.TotalSeconds:F0} PATCH/s ({sorted.Length} in {Elapsed.TotalSeconds:F1} s); p50 {At(0.5):F1} ms, " +
            $"p99 {At(0.99):F1} ms, longest {At(1):F1} ms; {_tornDown} stacks torn down");
        foreach (var ((status, error), count) in _counts.OrderBy(static count => count.Key))
        {
            Console.WriteLine($"  {status} {error,-16} {count}");
        }

        Console.WriteLine(
            violations.Count == 0 ? "No lost key, no merge after a flip, the audit log adds up." : $"{violations.Count} violations:");
        foreach (var violation in violations.Take(20))
        {
            Console.WriteLine($"  {violation}");
        }

        double At(double share) => sorted.Length == 0 ? 0 : sorted[(int)((sorted.Length - 1) * share)];
    }
}
