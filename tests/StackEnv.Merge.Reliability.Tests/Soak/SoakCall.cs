using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.Soak;

/// <summary>One merge: whose it is and the how-manieth of theirs.</summary>
internal sealed record SoakCall(int Caller, long Number)
{
    private static readonly AsyncLocal<SoakCall?> Current = new();

    public const string Ddl = "CREATE TABLE calls (caller int, number bigint, PRIMARY KEY (caller, number))";

    /// <summary>Writes a row for each merge, of the call that is being made.</summary>
    public static Journal Journal { get; } = new(static (_, _) =>
    [
        new NpgsqlBatchCommand("INSERT INTO calls (caller, number) VALUES ($1, $2)")
        {
            Parameters = { new() { Value = Current.Value!.Caller }, new() { Value = Current.Value.Number } },
        },
    ]);

    /// <summary>Makes this the call that is being made.</summary>
    public void Begin() => Current.Value = this;
}
