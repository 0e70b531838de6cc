using Npgsql;
using StackEnv.LocalPostgres;
using StackEnv.Merge;
using StackEnv.Samples.Tour;

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, interrupt) =>
{
    interrupt.Cancel = !stop.IsCancellationRequested; // the first Ctrl-C ends the tour in order, a second one at once
    stop.Cancel();
};

try
{
    await using var server = await PostgresServer.FindOrStartAsync(cancellationToken: stop.Token);
    Screen.Welcome(server.Origin);
    return await TakeTourAsync(server.ConnectionString, stop.Token) ? 0 : 1;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 130;
}
catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.InsufficientPrivilege)
{
    Screen.Problem("The tour shows what PostgreSQL logs and makes a schema of its own. That takes a superuser.");
    return 1;
}
catch (InvalidOperationException exception)
{
    Screen.Problem(exception.Message);
    return 1;
}

static async Task<bool> TakeTourAsync(string connectionString, CancellationToken cancellationToken)
{
    await using var schema = await SampleSchema.CreateAsync(connectionString, $"stackenv_tour_{Environment.ProcessId}", cancellationToken);
    await schema.ExecuteAsync(AuditJournal.Ddl);

    // What merges goes through the recorded data source, everything else through the schema's own.
    await using var recorded = await StatementLog.StartAsync(schema.ConnectionString, cancellationToken);

    // This is all that the library needs: a data source. The limit is short, so the tour does not wait long.
    var options = new StackEnvMergeOptions { LockTimeout = TimeSpan.FromMilliseconds(500) };
    var merger = new StackEnvMerger(recorded.DataSource, options);
    var auditing = new StackEnvMerger(recorded.DataSource, options, journals: [new AuditJournal()]);

    return await new Steps(merger, auditing, recorded, schema.DataSource).RunAsync(cancellationToken);
}
