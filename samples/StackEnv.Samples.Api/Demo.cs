using StackEnv.LocalPostgres;

namespace StackEnv.Samples.Api;

/// <summary>Not to be copied: in Development, a database with some stacks, and requests to try on them.</summary>
internal sealed class Demo(DemoDatabase database, string? token) : IAsyncDisposable
{
    public static string Script => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "demo.sql"));

    public static async Task<Demo?> AddInDevelopmentAsync(WebApplicationBuilder builder)
    {
        if (!builder.Environment.IsDevelopment() || builder.Configuration.GetConnectionString("Database") is { Length: > 0 })
        {
            return null;
        }

        var database = await DemoDatabase.StartAsync("stackenv_api", Script);
        builder.Configuration["ConnectionStrings:Database"] = $"{database.ConnectionString};Max Auto Prepare=20";
        return new Demo(database, builder.Configuration["Teams:0:Token"]);
    }

    public void Greet(string url)
    {
        var curl = $"curl -H 'Authorization: Bearer {token}' {url}/stacks/shop/env";
        Console.WriteLine(
            $$$"""
            PostgreSQL: {{{database.Origin}}}
            In a browser: {{{url}}}/

            {{{curl}}}
            {{{curl}}} -X PATCH -H 'Content-Type: application/json' -d '{"env": {"LOG_LEVEL": "info", "OLD_FLAG": ""}}'
            Ctrl-C stops it.
            """);
    }

    public ValueTask DisposeAsync() => database.DisposeAsync();
}
