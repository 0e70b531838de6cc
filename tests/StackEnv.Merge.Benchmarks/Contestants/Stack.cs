using System.ComponentModel.DataAnnotations;
using System.ComponentModel.DataAnnotations.Schema;
using System.Diagnostics.CodeAnalysis;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>A row of the table, as EF Core sees it.</summary>
[SuppressMessage("Performance", "CA1812", Justification = "EF Core makes them.")]
[Table("stacks")]
internal sealed class Stack
{
    [Column("id")]
    public Guid Id { get; init; }

    [Column("status")]
    public required string Status { get; init; }

    [Column("env_vars", TypeName = "jsonb")]
    public required string EnvVars { get; set; }

    [Column("updated_at")]
    public DateTime UpdatedAt { get; set; }

    /// <summary>The system column <c>xmin</c>: the transaction that wrote the row last.</summary>
    [Timestamp]
    public uint Version { get; init; }
}
