using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Versions of rows, whether a host keeps them, and which one a caller asks for: mostly the row's own, or one beside it.</summary>
internal static class HostileVersions
{
    // A merge into a row at the largest number fails, which is not what these cases are about.
    private static readonly Gen<long?> Row = Gen.Frequency<long?>(
        (2, Gen.Const((long?)null)),
        (2, Gen.Long[-1, 1].Select(static version => (long?)version)),
        (4, Gen.Long.Select(static version => (long?)Math.Min(version, long.MaxValue - 1))));

    public static readonly Gen<(bool IsKept, long? Row, long? Asked)> Choice = Gen.SelectMany(
        Row,
        static row => Gen.Select(
            Gen.Int[0, 19],
            Gen.Frequency<long?>(
                (4, Gen.Const((long?)(row ?? 0))),
                (1, Gen.Long[-2, 2].Select(off => (long?)unchecked((row ?? 0) + off))),
                (1, Gen.Long.Select(static version => (long?)version))),
            (choice, asked) => choice switch
            {
                // A version without a column for it is a misuse.
                0 => (false, row, asked),
                < 8 => (false, row, (long?)null),
                < 13 => (true, row, (long?)null),
                _ => (true, row, asked),
            }));
}
