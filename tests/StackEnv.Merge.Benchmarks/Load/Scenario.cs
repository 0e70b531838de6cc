using System.Globalization;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>Under what circumstances is measured.</summary>
internal sealed record Scenario
{
    /// <summary>Whether all callers merge into one row, rather than each into rows of its own.</summary>
    public bool Hot { get; init; }

    /// <summary>The network's delay in each direction. At zero there is no proxy in between.</summary>
    public double DelayMilliseconds { get; init; }

    public int Callers { get; init; } = 1;

    /// <summary>Whether the data source prepares statements by itself (<c>Max Auto Prepare</c>).</summary>
    public bool Prepared { get; init; } = true;

    /// <summary>How many keys each set has, at least those that the callers write.</summary>
    public int Keys { get; init; } = 20;

    /// <summary>How long the values are that no caller changes.</summary>
    public int ValueLength { get; init; } = 32;

    public int TableRows { get; init; } = 1_000;

    /// <summary>How many rows each caller goes through, spread over the table.</summary>
    public int RowsPerCaller { get; init; } = 1;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{(Hot ? "one hot row" : "separate rows")}, {DelayMilliseconds:0.##} ms each way, {Callers} " +
        $"{(Callers == 1 ? "caller" : "callers")}, {(Prepared ? "prepared" : "unprepared")}, {Keys} keys of {ValueLength} characters, " +
        $"{TableRows:N0} rows");
}
