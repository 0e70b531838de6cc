namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>The figures of the campaign can show what must never happen.</summary>
public sealed class FaultTallyTests
{
    [Fact]
    public void Lies_and_failures_of_the_next_merge_are_counted()
    {
        var tally = new FaultTally();
        tally.Add(new(FaultKind.Close, HasStruck: true, new Told("committed"), WasCommitted: false, NextFailed: false, NextFailures: 2));
        tally.Add(new(FaultKind.Close, HasStruck: true, Told.NotFound, WasCommitted: true, NextFailed: false, NextFailures: 0));
        tally.Add(new(FaultKind.Reset, true, new Told("outcome_unknown"), WasCommitted: true, NextFailed: false, NextFailures: 0));

        Assert.Equal(["all", 3, 1, 1, 1, 1, 2, 1, 0, 0], tally.Rows.Last());
    }
}
