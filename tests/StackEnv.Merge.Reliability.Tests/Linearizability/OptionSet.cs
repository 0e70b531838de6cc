namespace StackEnv.Merge.Reliability.Tests.Linearizability;

/// <summary>What makes the same merge take another way through the library and the driver.</summary>
internal sealed record OptionSet(bool WithJournal, bool AutoPrepare)
{
    public static readonly OptionSet[] All = [new(false, false), new(true, false), new(false, true), new(true, true)];

    public override string ToString() =>
        $"{(WithJournal ? "with" : "without")} a journal, {(AutoPrepare ? "with" : "without")} automatic preparation";
}
