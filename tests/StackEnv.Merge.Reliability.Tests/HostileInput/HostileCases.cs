using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Draws cases. Most of them come as far as the row; sizes are aimed at the cap, where an error of one byte shows.</summary>
internal static class HostileCases
{
    private const int DefaultCap = 65_536;

    private static readonly Gen<int> Near = Gen.Frequency((3, Gen.Int[-2, 2]), (1, Gen.Int[-16, 16]));

    private static readonly Gen<HostileCase> WithAnyCap = Gen.SelectMany(
        HostileDocuments.Document,
        static document => Gen.Select(
            HostileStacks.Choice,
            HostileChanges.Of(document),
            Gen.Frequency((2, Gen.Const<string[]>(["deleting"])), (1, HostileText.Storable.Array[1, 3])),
            Gen.Frequency((50, Gen.Const((TableNames?)null)), (1, HostileNames.Names.Select(static names => (TableNames?)names))),
            Gen.Frequency(
                (60, Gen.Const((OptionFault?)null)),
                (1, Gen.OneOf<OptionFault?>([.. OptionFault.OfTheTable])),
                (1, Gen.OneOf<OptionFault?>([.. OptionFault.OfTheOptions]))),
            Gen.Int[0, 999],
            Gen.Select(Gen.Frequency((9, false), (1, true)).Array[5], HostileVersions.Choice),
            (stack, changes, deleting, names, fault, status, host) => new HostileCase
            {
                Stack = stack,
                Status = StatusOf(status, deleting),
                Document = document,
                Changes = changes.Changes,
                TakesAnyKey = changes.TakesAnyKey,
                MaxEnvBytes = DefaultCap,
                DeletingStatuses = deleting,
                OddNames = names,
                NamesSchema = host.Item1[0],
                KeepsTime = !host.Item1[1],
                KeepsVersion = host.Item2.IsKept,
                Version = host.Item2.Row,
                AtVersion = host.Item2.Asked,
                RequiresOwner = host.Item1[2],
                IsJournaled = host.Item1[3],
                IsPrepared = host.Item1[4],
                Fault = fault,
            }));

    public static readonly Gen<HostileCase> Any = Gen.Select(
        WithAnyCap, Gen.Int[0, 27], Near, Gen.Int[2, 200], Gen.OneOf("x", "é", "\n", "\"", "\u0001", "🚀", ": "), Aim);

    // Among others: what looks like the status of a teardown and is not.
    private static string? StatusOf(int choice, string[] deleting) => choice switch
    {
        < 40 => deleting[choice % deleting.Length],
        < 60 => deleting[choice % deleting.Length] + " ",
        < 80 => deleting[choice % deleting.Length].ToUpperInvariant() + "\u0301",
        < 120 => null,
        _ => "healthy",
    };

    private static HostileCase Aim(HostileCase hostile, int choice, int off, int small, string padding)
    {
        var stored = hostile.Document as JsonObject ?? JsonObject.Empty;
        return choice switch
        {
            < 6 => hostile,
            6 => hostile with { MaxEnvBytes = int.MaxValue },
            < 9 => hostile with { MaxEnvBytes = small },
            < 21 => hostile with { MaxEnvBytes = Math.Max(2, MergeModel.After(stored, hostile.Changes).CompactBytes + off) },
            < 23 => hostile with { MaxEnvBytes = Math.Max(2, MergeModel.BytesAlone(hostile.Changes) + off) },
            < 26 => hostile with { MaxEnvBytes = Math.Max(2, stored.CompactBytes + off) },
            _ => hostile with { Changes = FilledUpTo(DefaultCap + off, stored, hostile.Changes, padding) },
        };
    }

    // The last value that is set grows by whole pieces of padding and then by single bytes.
    private static (string Key, string? Value)[] FilledUpTo(
        int bytes, JsonObject stored, IReadOnlyList<(string Key, string? Value)> changes, string padding)
    {
        var filled = changes.ToArray();
        var last = Array.FindLastIndex(filled, static change => !string.IsNullOrEmpty(change.Value));
        var missing = bytes - MergeModel.After(stored, changes).CompactBytes;
        if (last >= 0 && missing > 0)
        {
            var paddingBytes = new JsonString(padding).CompactBytes - 2;
            var fill = string.Concat(Enumerable.Repeat(padding, missing / paddingBytes)) + new string('.', missing % paddingBytes);
            filled[last].Value += fill;
        }

        return filled;
    }
}
