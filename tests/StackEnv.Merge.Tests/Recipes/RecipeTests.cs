using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace StackEnv.Merge.Tests.Recipes;

/// <summary>
/// What docs/recipes.md promises. The classes beside this one are its code, word for word: the repository's tests compare them.
/// </summary>
public sealed partial class RecipeTests : DatabaseTest
{
    [Fact]
    public async Task Keys_of_dotnet_apps_are_valid_and_reserved_prefixes_are_not()
    {
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(static options => options.IsValidKey = static key =>
            DotNetKey.IsMatch(key) && !key.StartsWith("PLATFORM_", StringComparison.OrdinalIgnoreCase));

        await merger.MergeAsync(id, Changes(("ConnectionStrings__Database", "Host=db"), ("Logging__LogLevel__Default", "Warning")));

        await Assert.ThrowsAsync<InvalidEnvKeyException>(() => merger.MergeAsync(id, Changes(("PLATFORM_REGION", "eu"))));
        await Assert.ThrowsAsync<InvalidEnvKeyException>(
            () => Database.Merger.MergeAsync(id, Changes(("ConnectionStrings__Database", "Host=db"))));
    }

    [Fact]
    public async Task A_history_has_each_change_by_name_and_leads_back()
    {
        await Database.ExecuteAsync("""
            CREATE TABLE stack_env_history (
              id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stack_id uuid, at timestamptz DEFAULT statement_timestamp(),
              added text[], updated text[], deleted text[], env jsonb)
            """);
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(new HistoryJournal());
        await merger.MergeAsync(id, Changes(("A", "1"), ("B", "1")));
        await merger.MergeAsync(id, Changes(("A", "2"), ("B", null), ("C", "1")));
        var now = (await merger.MergeAsync(id, Changes(("C", "1")))).Env;

        var then = JsonSerializer.Deserialize<Dictionary<string, string>>(
            (await Database.ScalarAsync<string>("SELECT env::text FROM stack_env_history ORDER BY id LIMIT 1"))!)!;
        var back = await merger.MergeAsync(id, HistoryJournal.ChangesBackTo(then, now));

        Assert.Equal("""{"A": "1", "B": "1"}""", await Database.EnvAsync(id));
        Assert.Equal(["B"], back.AddedKeys);
        Assert.Equal(["A"], back.UpdatedKeys);
        Assert.Equal(["C"], back.DeletedKeys);
        Assert.Equal(
            "A,B//;C/A/B;B/A/C",
            await Database.ScalarAsync<string>(
                "SELECT string_agg(concat_ws('/', array_to_string(added, ','), array_to_string(updated, ','), " +
                "array_to_string(deleted, ',')), ';' ORDER BY id) FROM stack_env_history"));
    }

    [Fact]
    public async Task A_request_that_is_sent_twice_is_applied_once()
    {
        await Database.ExecuteAsync("CREATE TABLE merge_receipts (request_id uuid PRIMARY KEY, at timestamptz DEFAULT now())");
        var id = await Database.InsertAsync();
        var merger = Database.MergerWith(new ReceiptJournal());
        var request = Guid.NewGuid();

        var first = await ReceiptJournal.OnceAsync(request, () => merger.MergeAsync(id, Changes(("A", "1"))));
        await merger.MergeAsync(id, Changes(("A", "other")));
        var again = await ReceiptJournal.OnceAsync(request, () => merger.MergeAsync(id, Changes(("A", "1"))));

        Assert.Equal((true, false), (first, again));
        Assert.Equal("""{"A": "other"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task Readiness_is_a_merge_into_a_stack_that_does_not_exist()
    {
        await Readiness.CheckAsync(Database.Merger, Guid.Empty, CancellationToken.None);

        var elsewhere = Database.MergerWith(static options => options.Table = "missing");
        await Assert.ThrowsAsync<StackEnvStoreException>(() => Readiness.CheckAsync(elsewhere, Guid.Empty, CancellationToken.None));
        await Database.ExecuteAsync("ALTER TABLE stacks ALTER COLUMN env_vars DROP DEFAULT, ALTER COLUMN env_vars TYPE text");
        await Assert.ThrowsAsync<UnsuitableTableException>(
            () => Readiness.CheckAsync(Database.MergerWith(), Guid.Empty, CancellationToken.None));
    }

    [Fact]
    public async Task Values_are_encrypted_in_the_table_and_decrypted_in_the_result()
    {
        var id = await Database.InsertAsync();
        var merger = new EncryptingMerger(
            Database.Merger,
            static value => Convert.ToBase64String(Encoding.UTF8.GetBytes(value)),
            static value => Encoding.UTF8.GetString(Convert.FromBase64String(value)));

        var result = await merger.MergeAsync(id, Changes(("A", "secret"), ("GONE", null)));

        Assert.Equal("secret", result.Env["A"]);
        Assert.Equal(["A"], result.AddedKeys);
        Assert.Equal("""{"A": "c2VjcmV0"}""", await Database.EnvAsync(id));
    }

    [Fact]
    public async Task A_fake_returns_or_throws_what_the_test_sets()
    {
        var fake = new FakeMerger();
        Assert.Equal(1, (await fake.MergeAsync("shop", Changes(("A", "1")))).KeysSet);
        Assert.Equal(["A"], fake.LastChanges!.Keys);

        fake.Failure = new StackDeletingException("shop", "deleting");
        await Assert.ThrowsAsync<StackDeletingException>(() => fake.MergeAsync("shop", Changes(("A", "1"))));
    }

    [Fact]
    public async Task The_least_privileges_suffice_and_without_them_the_message_says_so()
    {
        await Database.ExecuteAsync("INSERT INTO stacks (slug) VALUES ('shop')");
        await using var role = await TestRole.CreateAsync(Database);
        await Database.ExecuteAsync($"GRANT SELECT (slug, status, env_vars), UPDATE (env_vars, updated_at) ON stacks TO {role.Name}");
        var merger = new StackEnvMerger(role.DataSource, new() { KeyColumn = "slug" });

        Assert.True((await merger.MergeAsync("shop", Changes(("A", "1"), ("B", null)))).Changed);
        await Database.ExecuteAsync($"REVOKE UPDATE (updated_at) ON stacks FROM {role.Name}");
        var refused = await Assert.ThrowsAsync<StackEnvStoreException>(() => merger.MergeAsync("shop", Changes(("A", "2"))));

        Assert.Contains("permission denied for table stacks", refused.Message, StringComparison.Ordinal);
    }

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex DotNetKey { get; }
}
