namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>One merge as its caller saw it.</summary>
/// <param name="Caller">Who called.</param>
/// <param name="Request">What was asked for.</param>
/// <param name="Told">What was answered.</param>
/// <param name="Earliest">The version of the row that was committed before the call began.</param>
/// <param name="Latest">The last version of the row that can have been committed before the answer came.</param>
/// <param name="Elapsed">From call to answer.</param>
internal sealed record Operation(string Caller, MergeRequest Request, Told Told, long Earliest, long Latest, TimeSpan Elapsed)
{
    public override string ToString() =>
        $"{Caller}, from version {Earliest} to {Latest}, in {Elapsed.TotalMilliseconds:F1} ms: {Request} -> {Told}";
}
