using System.Globalization;
using System.Text;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>
/// A number, which <c>jsonb</c> keeps as numeric: exact, without an exponent, and with the trailing zeros that it was written with.
/// </summary>
/// <param name="Negative">Whether it has a minus sign.</param>
/// <param name="Whole">The digits before the point.</param>
/// <param name="Fraction">The digits behind it.</param>
/// <param name="Exponent">The exponent.</param>
internal sealed record JsonNumber(bool Negative, string Whole, string Fraction, int Exponent) : Json
{
    public override void WriteInput(StringBuilder text) => text
        .Append(Negative ? "-" : "")
        .Append(Whole)
        .Append(Fraction.Length > 0 ? "." : "")
        .Append(Fraction)
        .Append(Exponent == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"e{Exponent}"));

    public override void Write(StringBuilder text, string colon, string comma)
    {
        var scale = Math.Max(0, Fraction.Length - Exponent);
        var digits = Whole + Fraction + new string('0', Math.Max(0, Exponent - Fraction.Length));
        digits = digits.PadLeft(scale + 1, '0');
        var whole = digits[..^scale].TrimStart('0');
        text
            .Append(Negative && digits.AsSpan().ContainsAnyExcept('0') ? "-" : "")
            .Append(whole.Length == 0 ? "0" : whole)
            .Append(scale > 0 ? "." : "")
            .Append(digits.AsSpan(digits.Length - scale));
    }
}
