using Microsoft.AspNetCore.Diagnostics;

namespace StackEnv.Samples.Api.Problems;

/// <summary>
/// Writes what <see cref="ProblemTable"/> says. The library logs its own failures; what is nobody's expectation is logged here.
/// </summary>
internal sealed partial class ProblemHandler(ILogger<ProblemHandler> logger) : IExceptionHandler
{
    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        var problem = ProblemTable.Of(exception);
        if (problem == Problem.DatabaseFailed)
        {
            LogDatabaseFailure(exception.GetType(), (exception as Npgsql.PostgresException)?.SqlState);
        }
        else if (problem == Problem.Internal)
        {
            LogUnexpected(exception);
        }

        await problem.ExecuteAsync(httpContext);
        return true;
    }

    // Without the exception: PostgreSQL quotes stored values in some of its fields.
    [LoggerMessage(1, LogLevel.Error, "The database failed: {Exception}, SQLSTATE {SqlState}")]
    private partial void LogDatabaseFailure(Type exception, string? sqlState);

    [LoggerMessage(2, LogLevel.Error, "Unexpected failure")]
    private partial void LogUnexpected(Exception exception);
}
