namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>A contestant's name on the command line, its title in tables and plots, and how it is made on a connection string.</summary>
internal sealed record Contestant(string Name, string Title, Func<string, IContestant> Create)
{
    public static readonly Contestant Library = new("library", "StackEnv.Merge", static connectionString => new LibraryContestant(connectionString));

    public static readonly Contestant Bare = new("bare", "bare UPDATE", static connectionString => new BareUpdate(connectionString));

    public static readonly Contestant Npgsql = new("npgsql", "statement by statement, Npgsql", static connectionString => new StatementByStatement(connectionString));

    public static readonly Contestant Dapper = new("dapper", "statement by statement, Dapper", static connectionString => new StatementByStatementWithDapper(connectionString));

    public static readonly Contestant EfCore = new("efcore", "EF Core, xmin and retries", static connectionString => new EfCoreWithXmin(connectionString));

    public static readonly Contestant Lock = new("lock", "DistributedLock.Postgres", static connectionString => new DistributedLock(connectionString));

    /// <summary>All of them, the library first: the others are compared with it.</summary>
    public static IReadOnlyList<Contestant> All { get; } = [Library, Bare, Npgsql, Dapper, EfCore, Lock];
}
