namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>One figure over time. The first tenth of the time is left out: there everything still grows to its size.</summary>
internal sealed class SoakGauge
{
    private const int Tenths = 10;

    private readonly List<long> _samples = [];

    public long Min => _samples.Min();

    public long Max => _samples.Max();

    /// <summary>The median of the second tenth of the time.</summary>
    public long AtStart => MedianOfTenth(1);

    /// <summary>The median of the last tenth of the time.</summary>
    public long AtEnd => MedianOfTenth(Tenths - 1);

    public void Add(long sample) => _samples.Add(sample);

    private long MedianOfTenth(int tenth)
    {
        var from = _samples.Count * tenth / Tenths;
        long[] part = [.. _samples[from..(_samples.Count * (tenth + 1) / Tenths)].Order()];
        return part[part.Length / 2];
    }
}
