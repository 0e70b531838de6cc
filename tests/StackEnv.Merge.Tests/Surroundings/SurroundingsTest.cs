using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>A test of what surrounds a merge: the table <c>app</c>, whose shape each test decides, in a schema of its own.</summary>
public abstract class SurroundingsTest : DatabaseTest
{
    /// <summary>
    /// Part of every secret of these tests, and of nothing else. It is a valid unquoted name, so that casts to names get as far as looking
    /// it up.
    /// </summary>
    protected const string Secret = "hunter2plantedsecret";

    /// <summary>The columns of a table of stacks, without any key.</summary>
    protected const string Columns = "id uuid, team_id uuid, slug text, status text, env_vars jsonb, updated_at timestamptz";

    protected static readonly Guid TeamA = Guid.Parse("aaaaaaaa-0000-0000-0000-000000000000");

    protected static readonly Guid TeamB = Guid.Parse("bbbbbbbb-0000-0000-0000-000000000000");

    /// <summary>The stack <c>shop</c> of team A.</summary>
    protected static readonly StackRef OwnShop = ((StackRef)"shop").OwnedBy(TeamA);

    /// <summary>A merger on <c>app</c> by slug.</summary>
    protected StackEnvMerger App(
        Action<StackEnvMergeOptions>? configure = null,
        NpgsqlDataSource? dataSource = null,
        ILogger<StackEnvMerger>? logger = null,
        params IStackEnvMergeJournal[] journals)
    {
        var options = new StackEnvMergeOptions { Table = "app", KeyColumn = "slug" };
        configure?.Invoke(options);
        return new(dataSource ?? Database.DataSource, options, logger, journals);
    }

    /// <summary>Creates <c>app</c>: the columns, and then what else the test decides.</summary>
    protected Task CreateAppAsync(string constraints = "", string ddl = "") =>
        Database.ExecuteAsync($"CREATE TABLE app ({Columns}{(constraints.Length == 0 ? "" : ", ")}{constraints}); {ddl}");

    /// <summary>A healthy stack of team A without environment variables, named in <c>app</c>.</summary>
    protected Task InsertAppAsync(string slug = "shop", string status = "healthy") => Database.ExecuteAsync(
        $"INSERT INTO app (id, team_id, slug, status, env_vars) VALUES (gen_random_uuid(), $1, $2, '{status}', '{{}}')", TeamA, slug);

    /// <summary>Two teams that each have a stack named <c>shop</c>, with a secret in it.</summary>
    protected Task InsertTwinsAsync(string table = "app", string status = "healthy") => Database.ExecuteAsync(
        $$"""
        INSERT INTO {{table}}
        SELECT gen_random_uuid(), team_id, 'shop', status, '{"A": "0", "TOKEN": "{{Secret}}"}'
        FROM (VALUES ($1, 'healthy'), ($2, $3)) AS twin (team_id, status)
        """,
        TeamA,
        TeamB,
        status);

    /// <summary>Everything of the table that a write would change, the physical versions of its rows included.</summary>
    protected async Task<string?> FootprintAsync()
    {
        // The rows behind a view are those of a table called base.
        var table =
            await Database.ScalarAsync<bool>("SELECT relkind IN ('v', 'f') FROM pg_class WHERE oid = 'app'::regclass") ? "base" : "app";
        return await Database.ScalarAsync<string?>(
            $"SELECT string_agg(concat_ws(' ', tableoid::regclass, ctid, xmin, t), E'\\n' ORDER BY tableoid, ctid) FROM {table} AS t");
    }

    /// <summary>Runs a merge that is refused because of the table, and shows that it wrote nothing and shows nothing.</summary>
    protected async Task<StackEnvMergeException> AssertUnsuitableAsync(StackEnvMerger merger, StackRef stack, params string[] facts)
    {
        var before = await FootprintAsync();
        var failure = await Record.ExceptionAsync(() => merger.MergeAsync(stack, Changes(("A", "1"))));

        Assert.Equal(before, await FootprintAsync());
        Assert.True(
            failure is StackEnvMergeException { ErrorCode: "unsuitable_table", IsTransient: false },
            $"It was {failure?.ToString() ?? "a success"}.");
        var refusal = Assert.IsType<StackEnvMergeException>(failure, exactMatch: false);
        Assert.DoesNotContain(Secret, refusal.ToString(), StringComparison.Ordinal);
        Assert.All(facts, fact => Assert.Contains(fact, refusal.Message, StringComparison.OrdinalIgnoreCase));
        return refusal;
    }

    /// <summary>Runs something and returns how long it took.</summary>
    protected static async Task<(T Result, TimeSpan Elapsed)> TimeAsync<T>(Func<Task<T>> act)
    {
        var startedAt = Stopwatch.GetTimestamp();
        var result = await act();
        return (result, Stopwatch.GetElapsedTime(startedAt));
    }
}
