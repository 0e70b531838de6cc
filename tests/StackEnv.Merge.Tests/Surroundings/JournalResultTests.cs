using System.Collections;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>A journal gets the result before it is committed, and cannot change what the caller and the next journal get.</summary>
public sealed class JournalResultTests : DatabaseTest
{
    [Theory]
    [InlineData("""{"B": "2"}""", true)]
    [InlineData("""{"A": "1", "B": "2"}""", false)]
    public async Task The_set_cannot_be_changed_by_a_journal(string stored, bool changes)
    {
        var id = await Database.InsertAsync(stored);
        MergeResult? seenByNext = null;
        var merger = Database.MergerWith(
            new Journal(static (_, result) =>
            {
                Tamper(result.Env);
                return [];
            }),
            new Journal((_, result) =>
            {
                seenByNext = result;
                return [];
            }));

        var result = await merger.MergeAsync(id, Changes(("A", "1")));

        Assert.Equal(changes, result.Changed);
        var expected = new Dictionary<string, string> { ["A"] = "1", ["B"] = "2" };
        Assert.Equal(expected, result.Env);
        Assert.Equal(expected, seenByNext!.Env);
        Assert.Equal(2, result.TotalAfter);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_set_is_not_a_dictionary_that_can_be_written(bool withJournal)
    {
        var id = await Database.InsertAsync();
        var merger = withJournal ? Database.MergerWith(Journal.Silent) : Database.Merger;

        var env = (await merger.MergeAsync(id, Changes(("A", "1")))).Env;

        Assert.False(env is Dictionary<string, string>);
        Assert.False(env is IDictionary<string, string> { IsReadOnly: false });
        Assert.False(env is ICollection<KeyValuePair<string, string>> { IsReadOnly: false });
        Assert.False(env is IDictionary { IsReadOnly: false });
    }

    // Each way that a cast could open.
    private static void Tamper(IReadOnlyDictionary<string, string> env)
    {
        Action[] attempts =
        [
            () => ((IDictionary<string, string>)env)["A"] = "changed",
            () => ((IDictionary<string, string>)env).Remove("B"),
            () => ((ICollection<KeyValuePair<string, string>>)env).Clear(),
            () => ((IDictionary)env)["C"] = "added",
            () => ((Dictionary<string, string>)env).Add("D", "added"),
        ];
        foreach (var attempt in attempts)
        {
            try
            {
                attempt();
            }
            catch (Exception refused) when (refused is NotSupportedException or InvalidCastException)
            {
            }
        }
    }
}
