using System.Text.RegularExpressions;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Tests;

/// <summary>How the server carries the statements out, in a table that is large enough that it has a choice.</summary>
public sealed partial class PlanTests : DatabaseTest
{
    private const int Stacks = 20_000;

    private static readonly Dictionary<string, string?>[] KindsOfChanges = [Changes(("A", "2")), Changes(("A", "2"), ("B", ""))];

    [Fact]
    public async Task The_row_is_found_by_the_primary_key_and_by_nothing_else()
    {
        await FillAsync();
        await using var log = await StatementLog.StartAsync(Database.ConnectionString);
        var merger = new StackEnvMerger(log.DataSource);
        StackRef stack = await Database.ScalarAsync<Guid>("SELECT id FROM stacks LIMIT 1");
        await merger.MergeAsync(stack, Changes(("A", "1")));
        log.Clear();
        foreach (var changes in KindsOfChanges)
        {
            await merger.MergeAsync(stack, changes);
            await Assert.ThrowsAsync<StackNotFoundException>(() => merger.MergeAsync(stack.OwnedBy(Guid.NewGuid()), changes));
        }

        var statements = log.Take().Where(static statement => Parameter().IsMatch(statement)).Distinct().ToList();
        Assert.Equal(2 + 4, statements.Count);
        foreach (var statement in statements)
        {
            var plan = await ExplainAsync(statement);
            Assert.Contains("Index Scan using stacks_pkey", plan, StringComparison.Ordinal);
            Assert.DoesNotContain("Seq Scan", plan, StringComparison.Ordinal);
            Assert.DoesNotContain("Bitmap", plan, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task The_update_touches_no_index()
    {
        await FillAsync();
        await Database.ExecuteAsync("CREATE TABLE updates (all_of_them bigint, heap_only bigint)");
        var count = new Journal(static (_, _) =>
            [new("INSERT INTO updates SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relid = 'stacks'::regclass")]);
        StackRef stack = await Database.ScalarAsync<Guid>("SELECT id FROM stacks LIMIT 1");

        await Database.MergerWith(count).MergeAsync(stack, Changes(("A", "2")));

        Assert.Equal("1 of 1", await Database.ScalarAsync<string>("SELECT heap_only || ' of ' || all_of_them FROM updates"));
    }

    // Half of each page is left free, as the manual advises where rows are updated often.
    private async Task FillAsync()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks SET (fillfactor = 50)");
        await Database.ExecuteAsync(
            """
            INSERT INTO stacks (slug, env_vars)
            SELECT 'stack-' || number, jsonb_build_object('A', number::text, 'B', number::text) FROM generate_series(1, $1) AS number
            """,
            Stacks);
        await Database.ExecuteAsync("VACUUM (ANALYZE) stacks");
    }

    private async Task<string> ExplainAsync(string statement)
    {
        var nulls = Parameter().Matches(statement).Select(static match => match.Value).Distinct().Select(static _ => "NULL");
        await using var dataSource = Database.DataSourceWith(static settings => settings.Options = "-c plan_cache_mode=force_generic_plan");
        await using var batch = dataSource.CreateBatch();
        batch.BatchCommands.Add(new($"PREPARE planned AS {statement}"));
        batch.BatchCommands.Add(new($"EXPLAIN (COSTS OFF) EXECUTE planned({string.Join(", ", nulls)})"));
        await using var lines = await batch.ExecuteReaderAsync();
        var plan = new List<string>();
        while (await lines.ReadAsync())
        {
            plan.Add(lines.GetString(0));
        }

        return string.Join('\n', plan);
    }

    [GeneratedRegex(@"\$\d", RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Parameter();
}
