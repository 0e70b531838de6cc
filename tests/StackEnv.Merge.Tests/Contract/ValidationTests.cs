using System.Collections;
using System.Collections.ObjectModel;
using System.Net.Sockets;
using Npgsql;

namespace StackEnv.Merge.Tests;

/// <summary>Bad input is refused before any I/O: there is no server behind the data source of these tests.</summary>
public sealed class ValidationTests : IAsyncDisposable
{
    private readonly NpgsqlDataSource _nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1;Username=nobody");
    private readonly StackEnvMerger _merger;

    public ValidationTests() => _merger = new(_nowhere);

    public ValueTask DisposeAsync() => _nowhere.DisposeAsync();

    [Theory]
    [InlineData("", "")]
    [InlineData("lower", "lower")]
    [InlineData("1ST", "1ST")]
    [InlineData("A-B", "A-B")]
    [InlineData("A B", "A B")]
    [InlineData("A\n", "A\\u000A")]
    [InlineData("\nA", "\\u000AA")]
    [InlineData("Ä", "\\u00C4")]
    [InlineData("Ａ", "\\uFF21")]
    [InlineData("A\u0660", "A\\u0660")]
    [InlineData("A\0", "A\\u0000")]
    [InlineData("A\"B", "A\\u0022B")]
    public async Task A_key_that_breaks_the_grammar_is_refused_and_shown_escaped(string key, string shown)
    {
        var refused = await Assert.ThrowsAsync<InvalidEnvKeyException>(() => MergeAsync(key, "value"));

        Assert.Equal(shown, refused.Key);
    }

    [Fact]
    public async Task What_is_deleted_is_limited_like_a_set_that_could_hold_it()
    {
        // As an object with empty values: {"KEY_00000":"",…}, 15 bytes a key with its comma.
        var largest = (65_536 - 1) / 15;

        Assert.IsType<StackEnvStoreException>(await Record.ExceptionAsync(() => _merger.MergeAsync(1L, Deletes(largest))));
        var refused = await Assert.ThrowsAsync<EnvTooLargeException>(() => _merger.MergeAsync(1L, Deletes(largest + 1)));

        Assert.Equal(((15L * (largest + 1)) + 1, 65_536), (refused.SizeBytes, refused.LimitBytes));
        await using var tiny = NpgsqlDataSource.Create(_nowhere.ConnectionString);
        Assert.IsType<StackEnvStoreException>(
            await Record.ExceptionAsync(() => new StackEnvMerger(tiny, new() { MaxEnvBytes = 2 }).MergeAsync(1L, Deletes(largest))));

        static Dictionary<string, string?> Deletes(int count) =>
            Enumerable.Range(0, count).ToDictionary(static number => $"KEY_{number:D5}", static _ => (string?)"");
    }

    [Theory]
    [InlineData("1", "2")]
    [InlineData("1", "")]
    [InlineData("", "1")]
    [InlineData(null, "")]
    public async Task A_duplicate_key_is_refused(string? first, string? second)
    {
        var misuse = await Assert.ThrowsAsync<ArgumentException>(
            () => _merger.MergeAsync(1L, new Pairs([new("TWICE", first), new("OTHER", "1"), new("TWICE", second)])));

        Assert.Contains("\"TWICE\"", misuse.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_huge_key_or_value_is_refused_with_its_type_and_not_copied()
    {
        var huge = new string('A', 170_000_000);
        var merger = new StackEnvMerger(_nowhere, new() { MaxEnvBytes = int.MaxValue });
        var before = GC.GetAllocatedBytesForCurrentThread();

        await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(1L, new Dictionary<string, string?> { ["A"] = huge }));
        await Assert.ThrowsAsync<EnvTooLargeException>(() => merger.MergeAsync(1L, new Dictionary<string, string?> { [huge] = "" }));
        await Assert.ThrowsAsync<InvalidEnvKeyException>(
            () => merger.MergeAsync(1L, new Dictionary<string, string?> { [$"{huge}-"] = "" }));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 * sizeof(char) * huge.Length);
    }

    [Theory]
    [InlineData(64, "")]
    [InlineData(65, "...")]
    [InlineData(1000, "...")]
    public async Task A_long_key_is_shown_cut(int length, string end)
    {
        var refused = await Assert.ThrowsAsync<InvalidEnvKeyException>(() => MergeAsync(new string('x', length), "value"));

        Assert.Equal(new string('x', 64) + end, refused.Key);
    }

    [Fact]
    public async Task A_key_that_is_null_is_refused_like_an_empty_one()
    {
        var refused = await Assert.ThrowsAsync<InvalidEnvKeyException>(() => _merger.MergeAsync(1L, new NullKey()));

        Assert.Equal("", refused.Key);
    }

    [Theory]
    [InlineData("lower")]
    [InlineData("")]
    public async Task A_key_to_delete_has_to_be_valid_too(string key) =>
        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => MergeAsync(key, null));

    [Fact]
    public async Task A_value_with_a_NUL_is_refused()
    {
        var refused = await Assert.ThrowsAsync<InvalidEnvValueException>(() => MergeAsync("KEY", "a\0b"));

        Assert.Equal(("KEY", "contains NUL (U+0000), which PostgreSQL cannot store"), (refused.Key, refused.Reason));
    }

    [Fact]
    public async Task Half_of_a_surrogate_pair_is_refused_in_keys_and_values()
    {
        // Not a theory: attributes and test names cannot carry such strings.
        foreach (var broken in new[] { "\ud83d", "\ud83dx", "\ude80\ud83d", "🚀\ud83d", "a\ude80" })
        {
            var value = await Assert.ThrowsAsync<InvalidEnvValueException>(() => MergeAsync("KEY", broken));
            Assert.Equal("contains half of a surrogate pair, which is not valid Unicode", value.Reason);

            await Assert.ThrowsAsync<InvalidEnvKeyException>(() => MergeAsync(broken, "value"));
            await Assert.ThrowsAsync<InvalidEnvKeyException>(() => MergeAsync(broken, null));
        }
    }

    [Fact]
    public async Task Changes_that_are_too_large_by_themselves_are_refused()
    {
        // {"KEY":"…"} takes ten bytes beside the value.
        var refused = await Assert.ThrowsAsync<EnvTooLargeException>(() => MergeAsync("KEY", new string('x', 65_527)));

        Assert.Equal((65_537, 65_536), (refused.SizeBytes, refused.LimitBytes));
    }

    [Fact]
    public async Task Valid_changes_get_as_far_as_the_server()
    {
        var failed = await Assert.ThrowsAsync<StackEnvStoreException>(() => MergeAsync("KEY", new string('x', 65_526)));

        Assert.Null(failed.SqlState);
        Assert.True(failed.IsTransient);
        Assert.EndsWith(
            $" nothing was written. Failed to connect to 127.0.0.1:1: {new SocketException((int)SocketError.ConnectionRefused).Message}.",
            failed.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disposed_data_source_is_a_permanent_failure()
    {
        await _nowhere.DisposeAsync();

        var failed = await Assert.ThrowsAsync<StackEnvStoreException>(() => MergeAsync("KEY", "value"));

        Assert.False(failed.IsTransient);
    }

    [Fact]
    public async Task Null_changes_are_a_misuse() =>
        await Assert.ThrowsAsync<ArgumentNullException>("changes", () => _merger.MergeAsync(1L, null!));

    [Fact]
    public async Task The_default_stack_is_a_misuse() =>
        await Assert.ThrowsAsync<ArgumentException>("stack", () => _merger.MergeAsync(default, new Dictionary<string, string?>()));

    [Fact]
    public async Task A_version_is_a_misuse_without_a_column_for_it()
    {
        var stack = ((StackRef)1L).AtVersion(17);

        var misuse = await Assert.ThrowsAsync<ArgumentException>(
            "stack", () => _merger.MergeAsync(stack, new Dictionary<string, string?>()));
        Assert.Contains("VersionColumn", misuse.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StackEnvStoreException>(
            () => new StackEnvMerger(_nowhere, new() { VersionColumn = "version" }).MergeAsync(stack, new Dictionary<string, string?>()));
    }

    [Fact]
    public async Task A_missing_owner_is_a_misuse_where_one_is_required()
    {
        var merger = new StackEnvMerger(_nowhere, new() { RequireOwner = true });

        var misuse = await Assert.ThrowsAsync<ArgumentException>("stack", () => merger.MergeAsync(1L, new Dictionary<string, string?>()));
        Assert.Contains("name the owner with OwnedBy", misuse.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_grammar_of_keys_is_the_hosts_choice()
    {
        var merger = new StackEnvMerger(_nowhere, new() { IsValidKey = static key => key.StartsWith("app.", StringComparison.Ordinal) });

        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => merger.MergeAsync(1L, new Dictionary<string, string?> { ["KEY"] = "v" }));
        await Assert.ThrowsAsync<StackEnvStoreException>(
            () => merger.MergeAsync(1L, new Dictionary<string, string?> { ["app.key"] = "v" }));
    }

    [Fact]
    public async Task No_grammar_lets_through_what_PostgreSQL_cannot_store()
    {
        var merger = new StackEnvMerger(_nowhere, new() { IsValidKey = static _ => true });

        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => merger.MergeAsync(1L, new Dictionary<string, string?> { ["A\0"] = "v" }));
    }

    [Fact]
    public async Task A_stack_that_cannot_exist_is_not_found()
    {
        foreach (var slug in new[] { "slug\0", "slug\ud800" })
        {
            await Assert.ThrowsAsync<StackNotFoundException>(() => _merger.MergeAsync(slug, new Dictionary<string, string?>()));
            await Assert.ThrowsAsync<StackNotFoundException>(
                () => _merger.MergeAsync(((StackRef)1L).OwnedBy(slug), new Dictionary<string, string?>()));
        }
    }

    private Task<MergeResult> MergeAsync(string key, string? value) =>
        _merger.MergeAsync(1L, new Dictionary<string, string?> { [key] = value });

    // Dictionary itself takes no null.
    private sealed class NullKey : ReadOnlyDictionary<string, string?>, IEnumerable<KeyValuePair<string, string?>>
    {
        public NullKey()
            : base(new Dictionary<string, string?>())
        {
        }

        IEnumerator<KeyValuePair<string, string?>> IEnumerable<KeyValuePair<string, string?>>.GetEnumerator()
        {
            yield return new(null!, "value");
        }
    }

    /// <summary>A dictionary that breaks its own rule.</summary>
    private sealed class Pairs(KeyValuePair<string, string?>[] pairs) : IReadOnlyDictionary<string, string?>
    {
        public IEnumerable<string> Keys => pairs.Select(static pair => pair.Key);

        public IEnumerable<string?> Values => pairs.Select(static pair => pair.Value);

        public int Count => pairs.Length;

        public string? this[string key] => pairs.First(pair => pair.Key == key).Value;

        public bool ContainsKey(string key) => Keys.Contains(key);

        public bool TryGetValue(string key, out string? value) => throw new NotSupportedException();

        public IEnumerator<KeyValuePair<string, string?>> GetEnumerator() => pairs.AsEnumerable().GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
    }
}
