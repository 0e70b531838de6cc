using System.Globalization;
using System.Text;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Tests;

/// <summary>The statements and their order, as the server logs them, for each kind of merge.</summary>
public sealed class StatementTests : DatabaseTest, IAsyncLifetime
{
    private readonly StringBuilder _transcript = new();
    private StatementLog _log = null!;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        _log = await StatementLog.StartAsync(Database.ConnectionString);
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        await _log.DisposeAsync();
        await DisposeAsync();
    }

    [Fact]
    public async Task Each_kind_of_merge()
    {
        StackRef stack = await Database.InsertAsync("""{"A": "1"}""", team: Guid.Empty);
        StackRef deleting = await Database.InsertAsync(status: "deleting");
        StackRef broken = await Database.InsertAsync("[]");

        await RecordAsync("sets and deletes", stack, Changes(("A", ""), ("B", "2")));
        await RecordAsync("nothing to change", stack, Changes(("B", "2")));
        await RecordAsync("not found", Guid.NewGuid(), Changes(("A", "1")));
        await RecordAsync("in teardown", deleting, Changes(("A", "1")));
        await RecordAsync("too large", stack, Changes(("A", new string('x', 90))), static options => options.MaxEnvBytes = 101);
        await RecordAsync("near the limit", stack, Changes(("A", new string('x', 85))), static options => options.MaxEnvBytes = 101);
        await RecordAsync("not an object", broken, Changes(("A", "1")));
        await RecordAsync("with an owner", stack.OwnedBy(Guid.Empty), Changes(("A", "1")));
        await RecordAsync("another owner's", stack.OwnedBy(Guid.NewGuid()), Changes(("A", "2")));
        await RecordAsync("invalid", stack, Changes(("a", "2")));
        await using (await Database.LockAsync((Guid)stack.Key))
        {
            await RecordAsync("locked", stack, Changes(("A", "2")), static options => options.LockTimeout = TimeSpan.FromMilliseconds(50));
        }

        await Verifier.Verify(_transcript.ToString());
    }

    [Fact]
    public async Task With_journals()
    {
        await Journal.CreateAuditAsync(Database);
        StackRef stack = await Database.InsertAsync("""{"A": "1"}""");
        StackRef deleting = await Database.InsertAsync(status: "deleting");
        IStackEnvMergeJournal[] journals =
            [
                Journal.Audit,
                new Journal(static (_, _) => [new("SELECT pg_notify('merged', $1)") { Parameters = { new() { Value = "stack" } } }]),
            ];
        var failing = new Journal(static (_, _) => [new("SELECT 1 / 0"), new("SELECT 'never reached'")]);

        await RecordAsync("sets and deletes", stack, Changes(("A", ""), ("B", "2")), journals: journals);
        await RecordAsync("nothing to change", stack, Changes(("B", "2")), journals: Journal.Audit);
        await RecordAsync("in teardown", deleting, Changes(("A", "1")), journals: journals);
        await RecordAsync("a journal fails", stack, Changes(("A", "1")), journals: failing);

        await Verifier.Verify(_transcript.ToString());
    }

    [Fact]
    public async Task With_a_version()
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ADD COLUMN version bigint");
        StackRef stack = await Database.InsertAsync("""{"A": "1"}""", team: Guid.Empty);

        await RecordAsync("any version", stack, Changes(("B", "2")), Versioned);
        await RecordAsync("at a version", stack.AtVersion(1), Changes(("A", ""), ("B", "3")), Versioned);
        await RecordAsync("at a version, with an owner", stack.OwnedBy(Guid.Empty).AtVersion(2), Changes(("A", "1")), Versioned);
        await RecordAsync("at another version", stack.AtVersion(2), Changes(("A", "2")), Versioned);
        await RecordAsync("near the limit", stack.AtVersion(3), Changes(("A", new string('x', 80))), static options =>
        {
            Versioned(options);
            options.MaxEnvBytes = 101;
        });

        await Verifier.Verify(_transcript.ToString());

        static void Versioned(StackEnvMergeOptions options) => options.VersionColumn = "version";
    }

    [Fact]
    public async Task Names_and_limits_come_from_the_options()
    {
        await Database.ExecuteAsync(
            """"CREATE TABLE "My ""Stacks""" ("Key" bigint PRIMARY KEY, "Owner" text, "State" text, "Env" jsonb)"""");
        await Database.ExecuteAsync(""""INSERT INTO "My ""Stacks""" VALUES (1, 'me', 'up', '{}')"""");

        await RecordAsync("odd names", ((StackRef)1L).OwnedBy("me"), Changes(("A", "1")), static options =>
        {
            options.Table = "My \"Stacks\"";
            options.KeyColumn = "Key";
            options.OwnerColumn = "Owner";
            options.StatusColumn = "State";
            options.EnvVarsColumn = "Env";
            options.UpdatedAtColumn = null;
            options.LockTimeout = TimeSpan.FromMilliseconds(int.MaxValue);
        });

        await Verifier.Verify(_transcript.ToString());
    }

    private async Task RecordAsync(
        string title,
        StackRef stack,
        IReadOnlyDictionary<string, string?> changes,
        Action<StackEnvMergeOptions>? configure = null,
        params IStackEnvMergeJournal[] journals)
    {
        var options = new StackEnvMergeOptions();
        configure?.Invoke(options);
        _log.Clear();
        string outcome;
        try
        {
            outcome = (await new StackEnvMerger(_log.DataSource, options, journals: journals).MergeAsync(stack, changes)).ToString();
        }
        catch (StackEnvMergeException refused)
        {
            outcome = refused.ErrorCode;
        }

        _transcript.AppendLine(CultureInfo.InvariantCulture, $"== {title}: {outcome}");
        var transactions = 0;
        foreach (var statement in _log.Take().Where(static statement => !IsTableCheck(statement)))
        {
            transactions += statement.StartsWith("BEGIN", StringComparison.Ordinal) ? 1 : 0;
            _transcript.AppendLine(transactions < 2 ? statement : WithoutTimes(statement));
        }

        _transcript.AppendLine();
    }

    // Each of these mergers is new. FirstCheckTests has the table check.
    private static bool IsTableCheck(string statement) => statement.StartsWith("WITH RECURSIVE", StringComparison.Ordinal);

    // How much of the time-out is left for a second transaction differs from run to run.
    private static string WithoutTimes(string statement) =>
        statement.StartsWith("SET LOCAL ", StringComparison.Ordinal)
            && statement.Split('=') is [var setting, _] ? $"{setting}= (what is left)" : statement;
}
