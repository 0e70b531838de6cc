namespace StackEnv.Merge.Reliability.Tests.Faults;

/// <summary>In what setting a merge is put to the test.</summary>
/// <param name="HasJournal">Whether a journal writes an audit row.</param>
/// <param name="Prepares">Whether the driver prepares statements by itself.</param>
/// <param name="WaitsForCancel">Whether the driver waits for the server's answer when it has asked it to cancel.</param>
internal sealed record LaneSettings(bool HasJournal, bool Prepares, bool WaitsForCancel)
{
    public static LaneSettings Draw(Random random) => new(random.Next(2) == 0, random.Next(2) == 0, random.Next(2) == 0);
}
