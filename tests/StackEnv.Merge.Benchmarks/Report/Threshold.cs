using System.Globalization;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>A claim about speed, and whether it held.</summary>
/// <param name="Claim">What is compared with what, under what circumstances.</param>
/// <param name="Measured">The figure.</param>
/// <param name="Limit">What it has to reach, or must not exceed.</param>
/// <param name="IsMinimum">Which of the two.</param>
internal sealed record Threshold(string Claim, double Measured, double Limit, bool IsMinimum)
{
    // Half of the last digit that is shown.
    private const double Rounding = 0.0005;

    public bool IsMet => IsMinimum ? Measured >= Limit - Rounding : Measured <= Limit + Rounding;

    public string Required => $"{(IsMinimum ? "at least" : "at most")} {Text(Limit)}";

    public string MeasuredText => Text(Measured);

    private static string Text(double number) => number.ToString(number < 100 ? "0.00" : "N0", CultureInfo.InvariantCulture);
}
