using System.Globalization;
using System.Text.Json;
using Npgsql;
using StackEnv.Merge;

namespace StackEnv.Samples.Api.Problems;

/// <summary>
/// What each exception becomes over HTTP. The first half is the library's, to be copied; the second half is this API's own.
/// </summary>
/// <remarks>
/// The texts are made from the exceptions' typed facts. Their messages are for the operator: they name the owner, tables and columns.
/// </remarks>
internal static class ProblemTable
{
    public static Problem Of(Exception failure) => failure switch
    {
        InvalidEnvKeyException key =>
            new(400, key.ErrorCode, "Invalid key", $"\"{key.Key}\" is not a valid key: keys match [A-Z_][A-Z0-9_]*. Nothing was written."),
        InvalidEnvValueException value =>
            new(400, value.ErrorCode, "Invalid value", $"The value of {value.Key} {value.Reason}. Nothing was written."),
        StackNotFoundException => Problem.NotFound,
        StackDeletingException gone =>
            new(
                409,
                gone.ErrorCode,
                "Stack is being torn down",
                $"The stack is being torn down (its status is {gone.Status}). Nothing was written."),
        EnvTooLargeException large =>
            new(413, large.ErrorCode, "Too large", string.Create(
                CultureInfo.InvariantCulture,
                $"The environment variables would take {large.SizeBytes} bytes, and {large.LimitBytes} are allowed. Nothing was written.")),
        LockTimeoutException => Problem.LockTimeout,
        MergeOutcomeUnknownException unknown => new(
            503,
            unknown.ErrorCode,
            "Outcome unknown",
            "The connection to the database was lost while the change was being committed. Send it again: that is safe.",
            retryAfterSeconds: 1),

        // The same request fails again until an operator fixes the table, so there is no Retry-After.
        UnsuitableTableException unsuitable => new(
            500,
            unsuitable.ErrorCode,
            "Table is not suitable",
            "The API's table cannot hold this change as it must. " +
            $"{(unsuitable.IsCommitted ? "It was written all the same." : "Nothing was written.")} " +
            "Do not send it again. The server's log says what to fix."),
        StoredEnvInvalidException or StackEnvStoreException => Problem.PersistFailed,

        BadHttpRequestException { InnerException: JsonException json } => Problem.InvalidBody(
            $"The body is not valid{Place(json)}. It has to be a JSON object of the documented form, with each key once."),
        BadHttpRequestException bad => Problem.OfStatus(bad.StatusCode),
        PostgresException { SqlState: PostgresErrorCodes.LockNotAvailable } => Problem.LockTimeout,
        NpgsqlException or TimeoutException => Problem.DatabaseFailed,
        _ => Problem.Internal,
    };

    // Not the exception's own message: that can quote from the body. The path has keys only.
    private static string Place(JsonException json) => json switch
    {
        { Path.Length: > 1 and <= 100 } => $", at {json.Path}",
        { LineNumber: { } line, BytePositionInLine: { } position } =>
            string.Create(CultureInfo.InvariantCulture, $", at line {line + 1}, byte {position + 1}"),
        _ => "",
    };
}
