using System.ComponentModel;
using System.Globalization;
using System.Text.Json.Serialization;

namespace StackEnv.Samples.Api;

/// <summary>The body of every failure: the problem details of RFC 9457, and the members that older clients of this contract read.</summary>
internal sealed class Problem(int status, string error, string message, int? retryAfterSeconds = null) : IResult
{
    public const string ContentType = "application/problem+json";

    public string Type => $"urn:stackenv:problem:{Error}";
    public string Title => char.ToUpperInvariant(Error[0]) + Error[1..].Replace('_', ' ');
    public int Status => status;
    public string Detail => message;
    public bool Ok { get; }

    [Description("The code of this kind of problem: the last part of type.")]
    public string Error => error;

    [Description("The same as detail.")]
    public string Message => message;

    [Description("As the header Retry-After: the same request may succeed after so many seconds. Without it, a repeat does not help.")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? RetryAfterSeconds => retryAfterSeconds;

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
        response.StatusCode = Status;
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
