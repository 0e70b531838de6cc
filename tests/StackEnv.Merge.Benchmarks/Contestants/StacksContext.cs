using System.Diagnostics.CodeAnalysis;
using Microsoft.EntityFrameworkCore;

namespace StackEnv.Merge.Benchmarks.Contestants;

[SuppressMessage("Performance", "CA1812", Justification = "EF Core makes them.")]
internal sealed class StacksContext(DbContextOptions<StacksContext> options) : DbContext(options)
{
    public DbSet<Stack> Stacks => Set<Stack>();
}
