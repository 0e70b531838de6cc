namespace StackEnv.Merge.Repository.Tests.Infrastructure;

/// <summary>A new project with nothing in it but one code block of the documents, and the packages that the block needs.</summary>
/// <param name="Name">Of the project.</param>
/// <param name="Sdk">What <c>dotnet new</c> would take.</param>
/// <param name="Block">A whole program; or types, which a program calls.</param>
/// <param name="Packages">Besides the library's own.</param>
/// <param name="Caller">The program that calls the types, where the block has none.</param>
public sealed record Consumer(string Name, string Sdk, CodeBlockPlace Block, IReadOnlyList<string> Packages, string? Caller = null)
{
    public static readonly Consumer Console = new("console", "Microsoft.NET.Sdk", new("README.md", "csharp", 1), []);

    public static readonly Consumer Web = new(
        "web", "Microsoft.NET.Sdk.Web", new("README.md", "csharp", 2), ["Npgsql.DependencyInjection"]);

    public static readonly Consumer Worker = new(
        "worker", "Microsoft.NET.Sdk.Worker", new("README.md", "csharp", 3),
        ["Microsoft.Extensions.Hosting", "Npgsql.DependencyInjection"]);

    public static readonly Consumer Journals = new(
        "journals", "Microsoft.NET.Sdk.Web", new("README.md", "csharp", 4), ["Npgsql.DependencyInjection"]);

    public static readonly Consumer WithEntityFramework = new(
        "with-entity-framework",
        "Microsoft.NET.Sdk",
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
        "Microsoft.NET.Sdk",
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
        "Microsoft.NET.Sdk",
        new("docs/migrating.md", "csharp", 3),
        ["Dapper"],
        """
        using Npgsql;

        await using var database = NpgsqlDataSource.Create(Environment.GetEnvironmentVariable("STACKENV_POSTGRES")!);
        await new EnvUpdater(database).UpdateAsync(
            Guid.Parse(args[0]), Guid.Parse(args[1]), new() { ["LOG_LEVEL"] = "info" }, ["OLD_FLAG"]);
        """);

    public static IReadOnlyList<Consumer> All { get; } = [Console, Web, Worker, Journals, WithEntityFramework, WithTheLibrary, WithDapper];
}
