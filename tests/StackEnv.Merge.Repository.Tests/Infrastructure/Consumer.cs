namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>
/// A new project with nothing in it but one code block of the documents, and the packages that the page names in front of the block.
/// </summary>
/// <param name="Name">Of the project.</param>
/// <param name="Block">A whole program; or types, which a program calls.</param>
/// <param name="Packages">Besides the library; null: those that the page names.</param>
/// <param name="Caller">The program that calls the types, if the block has none.</param>
public sealed record Consumer(string Name, CodeBlockPlace Block, IReadOnlyList<string>? Packages = null, string? Caller = null)
{
    public static readonly Consumer Console = new("console", new("README.md", "csharp", 1));

    public static readonly Consumer Web = new("web", new("README.md", "csharp", 2));

    public static readonly Consumer Package = new("package", new(Document.PackagePage, "csharp", 1));

    public static readonly Consumer Worker = new("worker", new("docs/hosting.md", "csharp", 1));

    public static readonly Consumer Journals = new("journals", new("docs/journals.md", "csharp", 1));

    public static readonly Consumer Telemetry = new("telemetry", new("docs/operations.md", "csharp", 1));

    public static readonly Consumer WithEntityFramework = new(
        "with-entity-framework",
        new("docs/migrating.md", "csharp", 1),
        ["Microsoft.EntityFrameworkCore", "Microsoft.EntityFrameworkCore.Relational", "Npgsql.EntityFrameworkCore.PostgreSQL"],
        """
        using Microsoft.EntityFrameworkCore;

        await using var context = new StacksContext(
            new DbContextOptionsBuilder<StacksContext>().UseNpgsql(Environment.GetEnvironmentVariable("STACKENV_POSTGRES")).Options);
        var env = await new EnvUpdater(context).UpdateAsync(
            Guid.Parse(args[0]), Guid.Parse(args[1]), new() { ["LOG_LEVEL"] = "info", ["OLD_FLAG"] = "" });
        Console.WriteLine(string.Join(' ', env.OrderBy(pair => pair.Key)));
        """);

    public static readonly Consumer WithTheLibrary = new(
        "with-the-library",
        new("docs/migrating.md", "csharp", 2),
        [],
        """
        using Npgsql;
        using StackEnv.Merge;

        await using var database = NpgsqlDataSource.Create(Environment.GetEnvironmentVariable("STACKENV_POSTGRES")!);
        var updater = new EnvUpdater(new StackEnvMerger(database));
        var env = await updater.UpdateAsync(
            Guid.Parse(args[0]), Guid.Parse(args[1]), new() { ["LOG_LEVEL"] = "info", ["OLD_FLAG"] = "" }, default);
        Console.WriteLine(string.Join(' ', env.OrderBy(pair => pair.Key)));
        """);

    public static readonly Consumer WithDapper = new(
        "with-dapper",
        new("docs/migrating.md", "csharp", 3),
        ["Dapper"],
        """
        using Npgsql;

        await using var database = NpgsqlDataSource.Create(Environment.GetEnvironmentVariable("STACKENV_POSTGRES")!);
        await new EnvUpdater(database).UpdateAsync(
            Guid.Parse(args[0]), Guid.Parse(args[1]), new() { ["LOG_LEVEL"] = "info" }, ["OLD_FLAG"]);
        """);

    public static IReadOnlyList<Consumer> All { get; } =
        [Console, Web, Package, Worker, Journals, Telemetry, WithEntityFramework, WithTheLibrary, WithDapper];
}
