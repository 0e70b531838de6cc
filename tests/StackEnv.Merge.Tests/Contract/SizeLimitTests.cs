using System.Globalization;
using System.Text;
using System.Text.Json;
using CsCheck;

namespace StackEnv.Merge.Tests;

/// <summary>The cap on the merged set, in bytes of its compact JSON object in UTF-8.</summary>
public sealed class SizeLimitTests : DatabaseTest
{
    [Fact]
    public async Task The_limit_is_exact_to_the_byte()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");

        // {"A":"1","B":"…"} takes sixteen bytes beside the value.
        var fits = await Database.Merger.MergeAsync(id, Changes(("B", new string('x', 65_536 - 16))));
        var refused = await Assert.ThrowsAsync<EnvTooLargeException>(
            () => Database.Merger.MergeAsync(id, Changes(("B", new string('x', 65_536 - 15)))));

        Assert.True(fits.Changed);
        Assert.Equal((65_537, 65_536), (refused.SizeBytes, refused.LimitBytes));
        Assert.Equal(65_536 - 16, await Database.ScalarAsync<int>("SELECT length(env_vars->>'B') FROM stacks WHERE id = $1", id));
    }

    [Fact]
    public async Task A_refused_merge_leaves_the_row_untouched()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        var before = await Database.FootprintAsync(id);
        var merger = Database.MergerWith(static options => options.MaxEnvBytes = 20);

        await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(id, Changes(("B", "123456"))));

        Assert.Equal(before, await Database.FootprintAsync(id));
    }

    [Fact]
    public async Task A_set_over_the_limit_can_be_made_smaller_but_not_larger_nor_kept_as_large()
    {
        var id = await Database.InsertAsync("""{"A": "12", "LONG": "xxxxxxxxxxxxxxxxxxxx"}""");
        var merger = Database.MergerWith(static options => options.MaxEnvBytes = 24);

        await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(id, Changes(("A", "123"))));
        await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(id, Changes(("A", "21"))));

        // 40 bytes become 39, and then 31: over the limit still.
        Assert.True((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
        Assert.True((await merger.MergeAsync(id, Changes(("A", "")))).Changed);
        Assert.True((await merger.MergeAsync(id, Changes(("LONG", "x"), ("A", "1")))).Changed);
    }

    [Fact]
    public async Task A_set_over_the_limit_that_is_not_changed_is_no_failure()
    {
        var id = await Database.InsertAsync("""{"A": "1", "LONG": "xxxxxxxxxxxxxxxxxxxx"}""");
        var merger = Database.MergerWith(static options => options.MaxEnvBytes = 24);

        Assert.False((await merger.MergeAsync(id, Changes(("A", "1")))).Changed);
    }

    [Fact]
    public async Task An_empty_set_fits_the_smallest_limit()
    {
        var id = await Database.InsertAsync("""{"A": "1"}""");
        var merger = Database.MergerWith(static options => options.MaxEnvBytes = 2);

        Assert.True((await merger.MergeAsync(id, Changes(("A", "")))).Changed);
    }

    [Fact]
    public async Task Server_and_client_agree_on_the_size_of_any_document()
    {
        // Pieces that JSON escapes, that look like its punctuation, that take one to four bytes in UTF-8, and that are not strings.
        var text = Gen.OneOf("x", "\"", "\\", "\n", "\u0001", "\u007f", ": ", ", ", "é", "漢", "🚀", "{", " ", "\\\"").List[1, 8]
            .Select(string.Concat);
        var stored = Gen.OneOf(
            text.Select(static value => Json(value)),
            Gen.OneOf(
                "1", "-0.50", "1e3", "true", "null", "[]", "{}", "[1, \"a, b\", {\"c\": \"d: \\\"e\"}]", "{\"x\": [null, {\"y z\": 1}]}",
                "[\"\\\"\", 1, 2]"));
        var document = Gen.Select(Gen.OneOf("A", "B", "lower case: ", "C\\\"D", "E"), stored).List[0, 5];
        var change = Gen.Select(Gen.OneOf("A", "B", "E", "F"), Gen.OneOf(text, Gen.Const("")));
        var cases = Gen.Select(document, change.List[1, 3], Gen.Int[-2, 2]);

        await cases.SampleAsync(
            async (properties, changeList, slack) =>
            {
                var changes = changeList.DistinctBy(static pair => pair.Item1)
                    .ToDictionary(static pair => pair.Item1, static pair => (string?)pair.Item2, StringComparer.Ordinal);
                var json = "{" +
                    string.Join(
                        ",", properties.DistinctBy(static pair => pair.Item1).Select(static pair => $"\"{pair.Item1}\":{pair.Item2}")) +
                    "}";
                var id = await Database.InsertAsync(json);
                var (before, after, changed) = await SizesAsync(id, changes);
                var limit = Math.Max(2, after + slack);

                var outcome = await OutcomeAsync(Database.MergerWith(options => options.MaxEnvBytes = limit), id, changes);

                long? expected =
                    AloneBytes(changes) > limit ? AloneBytes(changes)
                    : changed && after > limit && after >= before ? after
                    : null;
                Assert.Equal(expected, outcome?.SizeBytes);
            },
            iter: 300,
            threads: 1);
    }

    // What the merge leads to, by PostgreSQL's own operators; its compact size, counted here.
    private async Task<(int Before, int After, bool Changed)> SizesAsync(Guid id, Dictionary<string, string?> changes)
    {
        var sets = Json(changes.Where(static change => change.Value!.Length > 0).ToDictionary(
            static change => change.Key, static change => change.Value!, StringComparer.Ordinal));
        var deletes = changes.Where(static change => change.Value!.Length == 0).Select(static change => change.Key).ToArray();
        var before = await Database.ScalarAsync<string>("SELECT env_vars::text FROM stacks WHERE id = $1", id);
        var after = await Database.ScalarAsync<string>(
            "SELECT ((env_vars || $2::jsonb) - $3)::text FROM stacks WHERE id = $1", id, sets, deletes);
        return (CompactBytes(before!), CompactBytes(after!), !string.Equals(before, after, StringComparison.Ordinal));
    }

    private static async Task<EnvTooLargeException?> OutcomeAsync(StackEnvMerger merger, Guid id, Dictionary<string, string?> changes)
    {
        try
        {
            await merger.MergeAsync(id, changes);
            return null;
        }
        catch (EnvTooLargeException failure)
        {
            return failure;
        }
    }

    private static int AloneBytes(Dictionary<string, string?> changes) =>
        Encoding.UTF8.GetByteCount(Json(changes.Where(static change => change.Value!.Length > 0).ToDictionary(
            static change => change.Key, static change => change.Value!, StringComparer.Ordinal)));

    // An independent way to the compact form: through a parser that keeps numbers and a writer that adds nothing.
    private static int CompactBytes(string json)
    {
        using var document = JsonDocument.Parse(json);
        return Encoding.UTF8.GetByteCount(Compact(document.RootElement));
    }

    private static string Compact(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object =>
            "{" +
                string.Join(",", element.EnumerateObject().Select(static property => Json(property.Name) + ":" + Compact(property.Value))) +
                "}",
        JsonValueKind.Array => "[" + string.Join(",", element.EnumerateArray().Select(Compact)) + "]",
        JsonValueKind.String => Json(element.GetString()!),
        _ => element.GetRawText(),
    };

    private static string Json(Dictionary<string, string> properties) =>
        "{" + string.Join(",", properties.Select(static property => Json(property.Key) + ":" + Json(property.Value))) + "}";

    // Escapes what RFC 8259, section 7, demands, in the short form where there is one.
    private static string Json(string text) => "\"" + string.Concat(text.Select(static character => character switch
    {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\b' => "\\b",
        '\f' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        < ' ' => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}"),
        _ => character.ToString(),
    })) + "\"";
}
