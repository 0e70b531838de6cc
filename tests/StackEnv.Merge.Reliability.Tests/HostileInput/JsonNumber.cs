using System.Globalization;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>
/// A number, which <c>jsonb</c> keeps as numeric: exact, without an exponent, and with the trailing zeros that it was written with.
/// </summary>
/// <param name="Negative">Whether it has a minus sign.</param>
/// <param name="Whole">The digits before the point.</param>
/// <param name="Fraction">The digits after it.</param>
/// <param name="Exponent">The exponent.</param>
internal sealed record JsonNumber(bool Negative, string Whole, string Fraction, int Exponent) : Json
{
    public override string Written => string.Create(
        CultureInfo.InvariantCulture,
        $"{(Negative ? "-" : "")}{Whole}{(Fraction.Length > 0 ? "." : "")}{Fraction}{(Exponent == 0 ? "" : $"e{Exponent}")}");

    public override string Print(string colon, string comma)
    {
        var scale = Math.Max(0, Fraction.Length - Exponent);
        var digits = (Whole + Fraction + new string('0', Math.Max(0, Exponent - Fraction.Length))).PadLeft(scale + 1, '0');
        var whole = digits[..^scale].TrimStart('0').PadLeft(1, '0');
        var sign = Negative && digits.AsSpan().ContainsAnyExcept('0') ? "-" : "";
        return scale > 0 ? $"{sign}{whole}.{digits[^scale..]}" : sign + whole;
    }
}
