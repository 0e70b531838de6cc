using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using StackEnv.Merge;

if ((args.FirstOrDefault() ?? Environment.GetEnvironmentVariable("STACKENV_POSTGRES")) is not { Length: > 0 } connectionString)
{
    await Console.Error.WriteLineAsync("Name a PostgreSQL: its connection string is the argument, or in STACKENV_POSTGRES.");
    return 2;
}

var schema = $"stackenv_aot_{Environment.ProcessId}";
await using var database = new NpgsqlSlimDataSourceBuilder(connectionString) { ConnectionStringBuilder = { SearchPath = schema } }.Build();
await using var services = new ServiceCollection()
    .AddSingleton(database)
    .AddStackEnvMerge(options =>
    {
        options.KeyColumn = "slug";
        options.LockTimeout = TimeSpan.FromMilliseconds(200);
    })
    .BuildServiceProvider();
var merger = services.GetRequiredService<IStackEnvMerger>();
var asExpected = true;

Console.WriteLine(RuntimeFeature.IsDynamicCodeCompiled ? "Compiled at run time" : "Compiled ahead of time");
await ExecuteAsync($$"""
    CREATE SCHEMA {{schema}};
    CREATE TABLE stacks (slug text PRIMARY KEY, status text NOT NULL, env_vars jsonb NOT NULL, updated_at timestamptz);
    INSERT INTO stacks VALUES ('shop', 'healthy', '{"LOG_LEVEL": "debug", "OLD_FLAG": "1"}'), ('old-shop', 'deleting', '{}');
    """);
try
{
    var result = await merger.MergeAsync(
        "shop", new Dictionary<string, string?> { ["LOG_LEVEL"] = "info", ["REGION"] = "eu", ["OLD_FLAG"] = null });
    Show("The counts", result.ToString(), "2 set, 1 deleted, 2 in all");
    Show("The set", string.Join(", ", result.Env.Select(static pair => $"{pair.Key}={pair.Value}").Order()), "LOG_LEVEL=info, REGION=eu");
    Show("The row", await StoredAsync("shop"), """{"REGION": "eu", "LOG_LEVEL": "info"}""");

    Show("A stack in teardown", await RefusalAsync("old-shop"), "stack_deleting");

    await using var other = await database.OpenConnectionAsync();
    await using var transaction = await other.BeginTransactionAsync();
    await using var hold = new NpgsqlCommand("SELECT FROM stacks WHERE slug = 'shop' FOR UPDATE", other, transaction);
    await hold.ExecuteNonQueryAsync();
    Show("A stack that another holds", await RefusalAsync("shop"), "lock_timeout");
}
finally
{
    await ExecuteAsync($"DROP SCHEMA {schema} CASCADE");
}

return asExpected ? 0 : 1;

void Show(string what, string actual, string expected)
{
    var same = actual == expected;
    asExpected &= same;
    Console.WriteLine(same ? $"{what}: {actual}" : $"{what}: {actual}, where {expected} was expected");
}

async Task<string> RefusalAsync(string slug)
{
    try
    {
        return $"merged ({await merger.MergeAsync(slug, new Dictionary<string, string?> { ["LOG_LEVEL"] = "trace" })})";
    }
    catch (StackEnvMergeException refusal)
    {
        return refusal.ErrorCode;
    }
}

async Task<string> StoredAsync(string slug)
{
    await using var command = database.CreateCommand("SELECT env_vars::text FROM stacks WHERE slug = $1");
    command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = slug });
    return (string)(await command.ExecuteScalarAsync())!;
}

async Task ExecuteAsync(string sql)
{
    await using var command = database.CreateCommand(sql);
    await command.ExecuteNonQueryAsync();
}
