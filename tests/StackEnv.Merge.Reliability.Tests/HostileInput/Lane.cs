using System.Diagnostics.CodeAnalysis;
using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Carries out one case after the other, in a schema of its own, and compares what came of it with the model.</summary>
[SuppressMessage(
    "Security", "CA2100", Justification = "The SQL is the test's own; every name in it is quoted by the driver's own quoting.")]
internal sealed class Lane : IAsyncDisposable
{
    private const string Witness = """{"WITNESS": "stays"}""";
    private const int MostMergers = 1_000;

    private readonly TestDatabase _database;
    private readonly NpgsqlDataSource _preparing;
    private readonly LeakWatch _watch;
    private readonly IStackEnvMergeJournal[] _journals = [new Journal(static (_, _) => [new("SELECT 1")])];
    private readonly Dictionary<TableNames, string> _witnesses = [];
    private readonly Dictionary<object, StackEnvMerger> _mergers = [];

    private Lane(TestDatabase database, LeakWatch watch)
    {
        _database = database;
        _preparing = database.DataSourceWith(static settings => (settings.MaxAutoPrepare, settings.AutoPrepareMinUsages) = (40, 2));
        _watch = watch;
    }

    public static async Task<Lane> OpenAsync(LeakWatch watch)
    {
        var lane = new Lane(await TestDatabase.CreateAsync(), watch);
        foreach (var key in Enum.GetValues<ColumnType>())
        {
            foreach (var owner in Enum.GetValues<ColumnType>())
            {
                await lane.CreateAsync(TableNames.Ordinary(key, owner), key, owner);
            }
        }

        return lane;
    }

    public async ValueTask DisposeAsync()
    {
        await _preparing.DisposeAsync();
        await _database.DisposeAsync();
    }

    /// <summary>Lets one case happen.</summary>
    /// <returns>What differs from the expectation; <see langword="null"/> where nothing does.</returns>
    public async Task<string?> TryAsync(HostileCase hostile, Expectation expected)
    {
        if (hostile.OddNames is { } odd)
        {
            await CreateAsync(odd, hostile.Stack.KeyType, hostile.Stack.OwnerType);
        }

        var before = await InsertAsync(hostile);
        var told = await MergeAsync(hostile);
        var after = await TakeOutAsync(hostile, expected);
        if (hostile.OddNames is { } used)
        {
            await DropAsync(used);
        }

        return Difference(hostile, expected, told, before, after);
    }

    /// <summary>Frees what the rows of past cases took.</summary>
    public Task VacuumAsync() => _database.ExecuteAsync("VACUUM");

    private static string? Difference(HostileCase hostile, Expectation expected, Told told, RowState before, RowState after)
    {
        if (!expected.Told.Contains(told))
        {
            return $"The caller was told: {told}\nThe contract says:   {string.Join("\n or: ", expected.Told)}";
        }

        if (!string.Equals(before.Witness, after.Witness, StringComparison.Ordinal))
        {
            return "Another row was touched.";
        }

        if (expected.Stored is not { } stored)
        {
            return before == after ? null : $"Nothing was to be written, and the row changed: {before} became {after}";
        }

        if (!string.Equals(after.Env, stored.Printed, StringComparison.Ordinal) || !after.EqualsExpected || !after.ReadsBack)
        {
            return $"The row should hold {HostileText.Show(stored.Printed)}\nand it is {after}";
        }

        var isAsItShouldBe = !string.Equals(before.Version, after.Version, StringComparison.Ordinal)
            && after.IsTouched == hostile.KeepsTime
            && after.Count == (hostile.KeepsVersion ? (hostile.Version ?? 0) + 1 : hostile.Version)
            && string.Equals(before.Others, after.Others, StringComparison.Ordinal);
        return isAsItShouldBe ? null : $"The version, the time or another column is wrong: {before} became {after}";
    }

    private static string Quote(string name)
    {
        using var quoting = new NpgsqlCommandBuilder();
        return quoting.QuoteIdentifier(name);
    }

    private static NpgsqlParameter Parameter(object? value, ColumnType type) => new()
    {
        Value = value ?? DBNull.Value,
        NpgsqlDbType = type switch
        {
            ColumnType.uuid => NpgsqlDbType.Uuid,
            ColumnType.bigint => NpgsqlDbType.Bigint,
            _ => NpgsqlDbType.Text,
        },
    };

    private static NpgsqlParameter Text(string? value) =>
        new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text };

    private static NpgsqlParameter Jsonb(string? value) =>
        new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Jsonb };

    private string Schema(TableNames names) => _database.Schema + names.Schema;

    // The names as PostgreSQL keeps them: the merger is given the whole ones.
    private string Table(TableNames names) => $"{Quote(TableNames.Cut(Schema(names)))}.{Quote(TableNames.Cut(names.Table))}";

    private static string Column(string name) => Quote(TableNames.Cut(name));

    private static string Columns(TableNames names) =>
        RowState.Columns(Column(names.Owner), Column(names.Status), Column(names.Env), Column(names.UpdatedAt), Column(names.Version));

    private async Task CreateAsync(TableNames names, ColumnType keyType, ColumnType ownerType)
    {
        var schema = Quote(TableNames.Cut(Schema(names)));
        var table = Table(names);
        await _database.ExecuteAsync(
            $"""
            CREATE SCHEMA IF NOT EXISTS {schema};
            CREATE TABLE {table} ({Column(names.Key)} {keyType}, {Column(names.Owner)} {ownerType},
                {Column(names.Status)} text, {Column(names.Env)} jsonb, {Column(names.UpdatedAt)} timestamptz DEFAULT 'epoch',
                {Column(names.Version)} bigint);
            ALTER TABLE {table} ADD EXCLUDE USING hash ({Column(names.Key)} WITH =);
            """);
        _witnesses[names] =
            (await _database.ScalarAsync<string>($"INSERT INTO {table} ({Column(names.Env)}) VALUES ('{Witness}') RETURNING ctid::text"))!;
    }

    private async Task DropAsync(TableNames names)
    {
        _witnesses.Remove(names);
        await _database.ExecuteAsync(
            names.Schema is null ? $"DROP TABLE {Table(names)}" : $"DROP SCHEMA {Quote(TableNames.Cut(Schema(names)))} CASCADE");
    }

    private async Task<RowState> InsertAsync(HostileCase hostile)
    {
        var names = hostile.Names;
        await using var insert = _database.DataSource.CreateCommand(
            $"""
            INSERT INTO {Table(names)} ({Column(names.Key)}, {Column(names.Owner)}, {Column(names.Status)}, {Column(names.Env)},
                {Column(names.Version)})
            VALUES ($1, $2, $3, $4, $5)
            RETURNING {Columns(names)}, false, false
            """);
        insert.Parameters.Add(Parameter(hostile.Stack.RowKey, hostile.Stack.KeyType));
        insert.Parameters.Add(Parameter(hostile.Stack.RowOwner, hostile.Stack.OwnerType));
        insert.Parameters.Add(Text(hostile.Status));
        insert.Parameters.Add(Jsonb(hostile.Document?.Written));
        insert.Parameters.Add(Parameter(hostile.Version, ColumnType.bigint));
        await using var reader = await insert.ExecuteReaderAsync();
        await reader.ReadAsync();
        return RowState.Read(reader) with { Witness = _witnesses[names] };
    }

    private async Task<Told> MergeAsync(HostileCase hostile)
    {
        try
        {
            var result = await MergerOf(hostile).MergeAsync(
                hostile.Reference,
                hostile.Changes.ToDictionary(static change => change.Key, static change => change.Value, StringComparer.Ordinal));
            _watch.Read("result", result.ToString());
            return Told.Of(result);
        }
#pragma warning disable CA1031 // Whatever is thrown is what the caller is told.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            _watch.Read(failure);
            var facts = failure is not StackEnvMergeException merge || (merge.Stack == hostile.Reference && !merge.IsTransient);
            return facts ? Told.Of(failure) : new("wrong facts", $"{failure}");
        }
    }

    // A new merger begins with a query of the catalogs, so the same host keeps its merger.
    private StackEnvMerger MergerOf(HostileCase hostile)
    {
        if (hostile.Host is { } known && _mergers.TryGetValue(known, out var kept))
        {
            return kept;
        }

        var merger = new StackEnvMerger(
            hostile.IsPrepared ? _preparing : _database.DataSource, hostile.Options(Schema(hostile.Names)), _watch,
            hostile.IsJournaled ? _journals : []);
        if (hostile.Host is { } host)
        {
            if (_mergers.Count == MostMergers)
            {
                _mergers.Clear();
            }

            _mergers.Add(host, merger);
        }

        return merger;
    }

    // Reads the case's row and takes it away, so that the next one is alone with the witness again.
    private async Task<RowState> TakeOutAsync(HostileCase hostile, Expectation expected)
    {
        var names = hostile.Names;
        var (table, key, env) = (Table(names), Column(names.Key), Column(names.Env));
        IReadOnlyList<(string Key, string? Value)> readBack = expected.Stored is null ? [] : hostile.Changes;
        await using var connection = await _database.DataSource.OpenConnectionAsync();
        await using var batch = new NpgsqlBatch(connection)
        {
            BatchCommands =
            {
                new($"SELECT coalesce(string_agg(ctid::text, ' '), '') FROM {table} WHERE {key} IS NULL AND {env} = '{Witness}'"),
                new(
                    $"""
                    SELECT {Columns(names)}, {env} = $2,
                        (SELECT coalesce(bool_and({env}->>change.key IS NOT DISTINCT FROM change.value), true)
                         FROM unnest($3, $4) AS change (key, value))
                    FROM {table} WHERE {key} = $1
                    """)
                {
                    Parameters =
                    {
                        Parameter(hostile.Stack.RowKey, hostile.Stack.KeyType),
                        Jsonb(expected.Stored?.Compact),
                        new() { Value = readBack.Select(static change => change.Key).ToArray() },
                        new() { Value = readBack.Select(
                            static change => string.IsNullOrEmpty(change.Value) ? null : change.Value).ToArray() },
                    },
                },
                new($"DELETE FROM {table} WHERE {key} = $1") { Parameters = { Parameter(hostile.Stack.RowKey, hostile.Stack.KeyType) } },
            },
        };
        await using var reader = await batch.ExecuteReaderAsync();
        await reader.ReadAsync();
        var witness = reader.GetString(0);
        await reader.NextResultAsync();
        await reader.ReadAsync();
        return RowState.Read(reader) with { Witness = witness };
    }
}
