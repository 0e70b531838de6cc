using System.ComponentModel;
using System.Globalization;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Mvc;

namespace StackEnv.Samples.Api;

/// <summary>The body of every failure: the problem details of RFC 9457, and the members that older clients of this contract read.</summary>
internal sealed class Problem : ProblemDetails, IResult
{
    public const string ContentType = "application/problem+json";

    public Problem(int status, string error, string message, int? retryAfterSeconds = null)
    {
        (Type, Title) = ($"urn:stackenv:problem:{error}", char.ToUpperInvariant(error[0]) + error[1..].Replace('_', ' '));
        (Status, Error, Detail, RetryAfterSeconds) = (status, error, message, retryAfterSeconds);
    }

    public bool Ok { get; }

    [Description("The code of this kind of problem: the last part of type.")]
    public string Error { get; }

    [Description("The same as detail.")]
    public string Message => Detail!;

    [Description("As the header Retry-After: the same request may succeed after so many seconds. Without it, a repeat does not help.")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? RetryAfterSeconds { get; }

    /// <summary>For an answer that has a status and no body yet: routing or authentication refused the request.</summary>
    public static Problem OfStatus(int status) => status switch
    {
        400 => new(400, "invalid_body", "There is no body, or it could not be read. Send a JSON object."),
        401 => new(401, "unauthorized", "Send the token of a team: Authorization: Bearer …"),
        404 => new(404, "not_found", "There is nothing at this path."),
        405 => new(405, "method_not_allowed", "The header Allow lists the methods of this path."),
        413 => new(413, "env_too_large", $"The request has more than {ApiHost.MaxRequestBytes} bytes. Nothing was written."),
        415 => new(415, "unsupported_media_type", "Send JSON in UTF-8 with Content-Type: application/json."),
        500 => new(500, "internal_error", "The server failed, and a repeat does not help. The server's log has the cause."),
        _ => InvalidRequest(status),
    };

    public static Problem InvalidRequest(int status) =>
        new(status, "invalid_request", "The path, a header or the framing of the request is not valid.");

    public Task ExecuteAsync(HttpContext httpContext)
    {
        var response = httpContext.Response;
        response.StatusCode = Status!.Value;
        if (RetryAfterSeconds is { } seconds)
        {
            response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        if (Status == 415)
        {
            response.Headers["Accept-Patch"] = "application/json"; // RFC 5789, section 2.2
        }

        return response.WriteAsJsonAsync(this, options: null, ContentType);
    }
}
