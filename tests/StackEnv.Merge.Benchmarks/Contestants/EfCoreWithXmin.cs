using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Npgsql;

namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>
/// EF Core with pooled contexts and <c>xmin</c> as the concurrency token: a writer that finds the row changed must retry.
/// </summary>
/// <remarks>
/// <see href="https://www.npgsql.org/efcore/modeling/concurrency.html">Npgsql on concurrency tokens</see>,
/// <see href="https://learn.microsoft.com/ef/core/saving/concurrency">EF Core on conflicts</see>.
/// </remarks>
internal sealed class EfCoreWithXmin : IContestant
{
    private readonly NpgsqlDataSource _dataSource;
    private readonly PooledDbContextFactory<StacksContext> _contexts;

    public EfCoreWithXmin(string connectionString)
    {
        _dataSource = NpgsqlDataSource.Create(connectionString);
        _contexts = new(new DbContextOptionsBuilder<StacksContext>().UseNpgsql(_dataSource).Options);
    }

    public async Task<IReadOnlyDictionary<string, string>?> MergeAsync(Guid stack, IReadOnlyDictionary<string, string?> changes)
    {
        await using var context = await _contexts.CreateDbContextAsync();
        var row = await context.Stacks.SingleAsync(candidate => candidate.Id == stack);
        while (true)
        {
            var env = MergeRules.Parse(row.EnvVars);
            MergeRules.Apply(env, row.Status, changes);
            row.EnvVars = MergeRules.Serialize(env);
            row.UpdatedAt = DateTime.UtcNow;
            try
            {
                await context.SaveChangesAsync();
                return env;
            }
            catch (DbUpdateConcurrencyException)
            {
                await context.Entry(row).ReloadAsync();
            }
        }
    }

    public ValueTask DisposeAsync() => _dataSource.DisposeAsync();
}
