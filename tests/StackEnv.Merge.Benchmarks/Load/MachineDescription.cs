using System.Runtime.InteropServices;
using Npgsql;
using StackEnv.LocalPostgres;

namespace StackEnv.Merge.Benchmarks.Load;

/// <summary>What the figures depend on, in one paragraph.</summary>
internal static class MachineDescription
{
    private static readonly string[] Settings = ["fsync", "synchronous_commit", "full_page_writes", "shared_buffers"];

    public static async Task<string> WriteAsync(PostgresServer server, StacksDatabase database)
    {
        var settings = new List<string>();
        await using var connection = await database.DataSource.OpenConnectionAsync();
        foreach (var setting in Settings)
        {
            await using var show =
                new NpgsqlCommand("SELECT current_setting($1)", connection) { Parameters = { new() { Value = setting } } };
            settings.Add($"{setting} = {await show.ExecuteScalarAsync()}");
        }

        await using var folder = new NpgsqlCommand("SELECT setting FROM pg_settings WHERE name = 'data_directory'", connection);
        var isInMemory = (await folder.ExecuteScalarAsync() as string)?.StartsWith("/dev/shm/", StringComparison.Ordinal) is true;
        return $"PostgreSQL {connection.PostgreSqlVersion} ({server.Origin}; " +
            $"{string.Join(", ", settings)}{(isInMemory ? "; its files are in memory, so that a commit costs next to nothing" : "")}), " +
            $"{RuntimeInformation.FrameworkDescription}, Npgsql {typeof(NpgsqlConnection).Assembly.GetName().Version?.ToString(3)}, " +
            $"{Environment.ProcessorCount} processors ({Processor()}) for client, proxy and server together.";
    }

    private static string Processor() => File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo")
            .FirstOrDefault(static line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(": ")[^1] ?? "unknown"
        : RuntimeInformation.ProcessArchitecture.ToString();
}
