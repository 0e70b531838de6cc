using System.Text.Encodings.Web;
using System.Text.Json;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>The rules of a merge, for those who read the set, change it in C# and write it back.</summary>
internal static class MergeRules
{
    public const string LimitEachWait = "SET LOCAL lock_timeout = '1min'";
    public const string LimitAllWaits = "SET LOCAL statement_timeout = '61s'";
    public const string LiftLimit = "SET LOCAL statement_timeout TO DEFAULT";

    /// <summary>Longer than any queue here, so that none gains speed by giving up.</summary>
    public static readonly TimeSpan LockTimeout = TimeSpan.FromMinutes(1);

    private const int MaxEnvBytes = 65_536;

    private static readonly JsonSerializerOptions AsPostgresWritesIt = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Dictionary<string, string> Parse(string env) => JsonSerializer.Deserialize<Dictionary<string, string>>(env)!;

    /// <summary>Applies the changes to the set, in place.</summary>
    public static void Apply(Dictionary<string, string> env, string status, IReadOnlyDictionary<string, string?> changes)
    {
        ThrowIfTornDown(status);
        foreach (var (key, value) in changes)
        {
            if (string.IsNullOrEmpty(value))
            {
                env.Remove(key);
            }
            else
            {
                env[key] = value;
            }
        }
    }

    /// <summary>The set as JSON, which has to fit.</summary>
    public static string Serialize(Dictionary<string, string> env)
    {
        var json = JsonSerializer.Serialize(env, AsPostgresWritesIt);
        return System.Text.Encoding.UTF8.GetByteCount(json) <= MaxEnvBytes
            ? json
            : throw new InvalidOperationException("The set is too large.");
    }

    public static void ThrowUnlessOneRow(int rows)
    {
        if (rows != 1)
        {
            throw new InvalidOperationException($"{rows} rows were written.");
        }
    }

    private static void ThrowIfTornDown(string status)
    {
        if (status is "deleting")
        {
            throw new InvalidOperationException("The stack is being torn down.");
        }
    }
}
