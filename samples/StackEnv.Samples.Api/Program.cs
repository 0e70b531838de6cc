using Microsoft.Extensions.Options;
using StackEnv.LocalPostgres;
using StackEnv.Samples.Api;
using StackEnv.Samples.Api.Teams;

try
{
    await using var server = await PostgresServer.FindOrStartAsync();
    await using var database = await SampleDatabase.CreateAsync(server.ConnectionString);
    await using var app = ApiHost.Build(args, database.ConnectionString);

    var teams = app.Services.GetRequiredService<IOptionsMonitor<TeamTokenOptions>>().Get(TeamTokenHandler.Scheme).Teams;
    await database.SeedAsync(teams);
    await app.StartAsync();

    var url = app.Urls.First();
    var authorization = $"-H 'Authorization: Bearer {teams[0].Token}'";
    const string changes = """{"env": {"LOG_LEVEL": "info", "OLD_FLAG": ""}}""";
    Console.WriteLine(
        $"""

        PostgreSQL: {server.Origin}, schema {database.Schema}
        The API:    {url}
        To read:    {url}/scalar, {url}/openapi/v1.json

        curl {authorization} {url}/stacks/shop/env
        curl {authorization} {url}/stacks/shop/env -X PATCH -H 'Content-Type: application/json' -d '{changes}'
        curl {authorization} {url}/stacks/shop/audit

        Ctrl-C stops it.

        """);
    await app.WaitForShutdownAsync();
    return 0;
}
catch (Exception exception) when (exception is InvalidOperationException or OptionsValidationException or IOException)
{
    // No PostgreSQL, no team, no port: each message says what to do.
    await Console.Error.WriteLineAsync(exception.Message);
    return 1;
}
