using StackEnv.Merge;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddNpgsqlDataSource(builder.Configuration.GetConnectionString("Database")!);
builder.Services.AddStackEnvMerge(options => options.KeyColumn = "slug");
var app = builder.Build();

app.MapPatch("/stacks/{slug}/env", async (
    string slug, Dictionary<string, string?> env, IStackEnvMerger merger, CancellationToken cancellationToken) =>
{
    try
    {
        // With a signed-in user: ((StackRef)slug).OwnedBy(the user's team).
        var result = await merger.MergeAsync(slug, env, cancellationToken);
        return Results.Ok(new { result.KeysSet, result.KeysDeleted, result.TotalAfter });
    }
    catch (StackEnvMergeException failure)
    {
        var status = failure switch
        {
            InvalidEnvKeyException or InvalidEnvValueException => 400,
            StackNotFoundException => 404,
            StackDeletingException => 409,
            EnvTooLargeException => 413,
            { IsTransient: true } => 503,
            _ => 500,
        };

        // The library has logged what an operator must know. The message is not for clients: it can name the owner, tables and columns.
        return Results.Problem(statusCode: status, title: failure.ErrorCode);
    }
});

app.Run();
