using System.Text.Json;
using Microsoft.AspNetCore.Diagnostics;
using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Api;

/// <summary>Maps each exception to what the client sees: first the library's, to be copied, then this API's own.</summary>
/// <remarks>
/// The texts use the exceptions' typed facts. Their messages are for the operator, because they name the owner, tables and columns: the
/// library logs them. 503 promises that the same request may succeed later, 500 that it will not until an operator acts.
/// </remarks>
internal sealed partial class ProblemHandler(ILogger<ProblemHandler> logger) : IExceptionHandler
{
    private const string Permanent = "The change could not be stored. Nothing was written. A repeat helps only after the server is fixed.";

    public async ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        var problem = Of(exception);
        if (exception is NpgsqlException or TimeoutException)
        {
            // Not the exception: PostgreSQL can quote stored values. With a position the text is about this program's own SQL.
            var server = exception as PostgresException;
            LogDatabaseFailure(exception.GetType(), server?.SqlState, server is { Position: > 0 } ? server.MessageText : "");
        }
        else if (problem.Error is "internal_error")
        {
            LogUnexpected(exception);
        }

        await problem.ExecuteAsync(httpContext);
        return true;
    }

    private static Problem Of(Exception failure) => failure switch
    {
        InvalidEnvKeyException key =>
            new(400, key.ErrorCode, $"\"{key.Key}\" is not a valid key: keys match [A-Z_][A-Z0-9_]*. Nothing was written."),
        InvalidEnvValueException value => new(400, value.ErrorCode, $"The value of {value.Key} {value.Reason}. Nothing was written."),
        StackNotFoundException none => new(404, none.ErrorCode, "There is no such stack."),
        StackDeletingException gone =>
            new(409, gone.ErrorCode, $"The stack is being torn down (its status is {gone.Status}). Nothing was written."),
        StackVersionException changed => new(
            412, changed.ErrorCode, "The stack is not at this version: someone else changed it. Nothing was written. Read it again."),
        EnvTooLargeException large => new(
            413, large.ErrorCode,
            $"The environment variables would take {large.SizeBytes} bytes, and {large.LimitBytes} are allowed. Nothing was written."),
        LockTimeoutException held => new(503, held.ErrorCode, "Another operation holds this stack. Nothing was written. Try again.", 1),
        MergeOutcomeUnknownException unknown => new(
            503, unknown.ErrorCode, "The connection was lost while the change was being committed. Send it again: that is safe.", 1),
        StackEnvStoreException { IsTransient: true } =>
            new(503, "persist_failed", "The change could not be stored. Nothing was written. Try again.", 10),
        UnsuitableTableException { IsCommitted: true } altered =>
            new(500, altered.ErrorCode, "The change was written, but not kept as it must be. A repeat does not help."),
        UnsuitableTableException unsuitable => new(500, unsuitable.ErrorCode, Permanent),
        StackEnvMergeException => new(500, "persist_failed", Permanent),

        BadHttpRequestException { InnerException: JsonException json } => new(
            400, "invalid_body",
            $"The body is not valid{Place(json)}. It must be a JSON object with the documented members only, and with each key once."),
        BadHttpRequestException bad => Problem.OfStatus(bad.StatusCode),

        // Errors of the statement, the schema or the credentials stay until someone changes something.
        PostgresException { SqlState: ['2', '2' or '3' or '8', ..] or ['3', 'D', ..] or ['4', '2', ..] or ['P', '0', ..] } =>
            new(500, "persist_failed", "The database refused this. A repeat helps only after the server is fixed."),
        NpgsqlException or TimeoutException => new(503, "persist_failed", "The database did not answer as it should. Try again.", 10),
        _ => Problem.OfStatus(500),
    };

    // Not the exception's own message, which can quote from the body. The path has names only, that of an unknown member too.
    private static string Place(JsonException json) => json.Path is { Length: > 1 and <= 100 } path ? $", at {path}"
        : json.LineNumber is { } line ? $", at line {line + 1}, byte {json.BytePositionInLine + 1}" : "";

    [LoggerMessage(1, LogLevel.Error, "The database failed: {Exception}, SQLSTATE {SqlState}. {Problem}")]
    private partial void LogDatabaseFailure(Type exception, string? sqlState, string problem);

    [LoggerMessage(2, LogLevel.Error, "Unexpected failure")]
    private partial void LogUnexpected(Exception exception);
}
