using System.Diagnostics;

namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>One caller of merges, which waits for each answer before the next call. The history knows its writes by its name.</summary>
internal sealed class Caller(string name, MergingHost host, RowHistory history)
{
    public string Name => name;

    public async Task<Operation> MergeAsync(MergeRequest request)
    {
        RowHistory.Writer.Value = name;
        var merger = host.MergerWith(request.MaxEnvBytes, request.LockTimeout);
        request = request.ReadsVersion ? request with { AtVersion = (await history.RowAsync(request.Stack))?.Version ?? 0 } : request;
        StackRef stack = request.Stack;
        stack = request.Owner is { } owner ? stack.OwnedBy(owner) : stack;
        stack = request.AtVersion is { } version ? stack.AtVersion(version) : stack;

        var earliest = await history.NewestAsync(request.Stack);
        using var cancellation = new CancellationTokenSource();
        if (request.CancelAfter is { } delay)
        {
            cancellation.CancelAfter(delay);
        }

        var watch = Stopwatch.StartNew();
        var told = await ToldAsync(merger.MergeAsync(stack, request.Changes, cancellation.Token));
        var elapsed = watch.Elapsed;
        return new(name, request, told, earliest, Latest: await history.NewestAsync(request.Stack), elapsed);
    }

    private static async Task<Told> ToldAsync(Task<MergeResult> merging)
    {
        try
        {
            return Told.Of(await merging);
        }
#pragma warning disable CA1031 // Every failure is an answer, and to be explained.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            return Told.Of(failure);
        }
    }
}
