namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>The median of some rounds' figures, and between which values the middle half of them lies.</summary>
internal sealed record Spread(double Median, double Low, double High)
{
    public static Spread Of(IEnumerable<double> figures)
    {
        double[] sorted = [.. figures.Order()];
        return sorted.Length == 0 ? new(double.NaN, double.NaN, double.NaN) : new(At(0.5), At(0.25), At(0.75));

        double At(double share)
        {
            var place = share * (sorted.Length - 1);
            var below = sorted[(int)place];
            return below + ((place - (int)place) * (sorted[(int)Math.Ceiling(place)] - below));
        }
    }
}
