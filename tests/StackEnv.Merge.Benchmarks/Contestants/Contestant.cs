namespace StackEnv.Merge.Benchmarks.Contestants;

/// <summary>A contestant's name, on the command line and in the figures, and how it is made on a connection string.</summary>
internal sealed record Contestant(string Name, Func<string, IContestant> Create)
{
    public static readonly Contestant Library = new("library", static connectionString => new LibraryContestant(connectionString));

    public static readonly Contestant Bare = new("bare", static connectionString => new BareUpdate(connectionString));

    public static readonly Contestant Npgsql = new("npgsql", static connectionString => new StatementByStatement(connectionString));

    public static readonly Contestant Dapper = new(
        "dapper", static connectionString => new StatementByStatementWithDapper(connectionString));

    public static readonly Contestant ByHand = new("byhand", static connectionString => new ReadChangeWrite(connectionString));

    public static readonly Contestant EfCore = new("efcore", static connectionString => new EfCoreWithXmin(connectionString));

    public static readonly Contestant Lock = new("lock", static connectionString => new DistributedLock(connectionString));

    /// <summary>All of them, the library first: the others are compared with it.</summary>
    public static IReadOnlyList<Contestant> All { get; } = [Library, Bare, Npgsql, Dapper, ByHand, EfCore, Lock];
}
