using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;
using StackEnv.LocalPostgres;
using StackEnv.Merge.Benchmarks.Load;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>The statements that the library sends, as the server receives them, made fit for another client.</summary>
[SuppressMessage("Security", "CA2100", Justification = "The SQL is the library's own.")]
internal static partial class LibraryStatements
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    /// <summary>Records one merge. <c>$id</c> and <c>$changes</c> stand for the row and what to merge into it.</summary>
    public static async Task<IReadOnlyList<string>> RecordAsync(StacksDatabase database)
    {
        await database.FillAsync(new Scenario().TableRows);
        await using var log = await StatementLog.StartAsync(database.ConnectionString);
        var merger = new StackEnvMerger(log.DataSource, new() { LockTimeout = MergeRules.LockTimeout });

        // The first merge also checks the table.
        foreach (var value in new[] { "1", "2" })
        {
            log.Clear();
            await merger.MergeAsync(StacksDatabase.IdOf(0), new Dictionary<string, string?> { ["A"] = value });
        }

        var statements = log.Take();
        var portable = new List<string>();
        foreach (var statement in statements)
        {
            portable.Add(await WithoutParametersAsync(database, statement));
        }

        return portable;
    }

    private static async Task<string> WithoutParametersAsync(StacksDatabase database, string statement)
    {
        if (!Parameter().IsMatch(statement))
        {
            return statement;
        }

        await using var connection = await database.DataSource.OpenConnectionAsync();
        await using var prepare = connection.CreateCommand();
        prepare.CommandText = $"PREPARE described AS {statement}";
        await prepare.ExecuteNonQueryAsync();
        prepare.CommandText = "SELECT parameter_types::text[] FROM pg_prepared_statements WHERE name = 'described'";
        var types = (string[])(await prepare.ExecuteScalarAsync())!;
        prepare.CommandText = "DEALLOCATE described";
        await prepare.ExecuteNonQueryAsync();
        return Parameter().Replace(statement, parameter => types[int.Parse(parameter.Groups["number"].ValueSpan, Culture) - 1] switch
        {
            "uuid" => "$id",
            "jsonb" => "$changes",
            "integer" => "65536",
            var type => throw new NotSupportedException($"A parameter of type {type} is new: say here what pgbench is to send."),
        });
    }

    [GeneratedRegex(@"\$(?<number>\d+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Parameter();
}
