using System.ComponentModel;
using System.Globalization;
using Microsoft.AspNetCore.Mvc;

namespace StackEnv.Samples.Api.Problems;

/// <summary>Everything that is not a success: the problem details of RFC 9457, and the three names that older clients read.</summary>
internal sealed class Problem : ProblemDetails, IResult
{
    public const string ContentType = "application/problem+json";

    public static readonly Problem MissingEnv =
        new(400, "missing_env", "No environment variables", """The body has no "env". Send {"env": {"KEY": "VALUE", "OLD": ""}}.""");

    public static readonly Problem InvalidSlug =
        new(400, "invalid_body", "Invalid body", "\"slug\" has to be 1 to 63 lower-case letters, digits and inner hyphens.");

    public static readonly Problem SlugTaken =
        new(409, "slug_taken", "Slug taken", "There is a stack of this slug already.");

    public static readonly Problem NotFound =
        new(404, "not_found", "Not found", "There is no such stack.");

    public static readonly Problem BodyTooLarge =
        new(413, "env_too_large", "Too large", string.Create(
            CultureInfo.InvariantCulture, $"The request has more than {ApiHost.MaxRequestBytes} bytes. Nothing was written."));

    public static readonly Problem LockTimeout = new(
        503, "lock_timeout", "Stack is locked", "Another operation holds this stack. Nothing was written. Try again.",
        retryAfterSeconds: 1);

    public static readonly Problem Busy = new(
        503,
        "busy",
        "Stack is busy",
        "Too many requests for this stack are waiting already. Nothing was written. Try again.",
        retryAfterSeconds: 1);

    public static readonly Problem PersistFailed =
        new(503, "persist_failed", "Not stored", "The change could not be stored. Nothing was written.", retryAfterSeconds: 10);

    public static readonly Problem DatabaseFailed =
        new(503, "persist_failed", "Database failed", "The database could not carry this out. Try again later.", retryAfterSeconds: 10);

    public static readonly Problem Internal =
        new(500, "internal_error", "Internal error", "This should not have happened. The server's log says more.");

    private readonly int? _retryAfterSeconds;

    public Problem(int status, string error, string title, string message, int? retryAfterSeconds = null)
    {
        (Type, Title, Status, Detail, Error) = ($"urn:stackenv:problem:{error}", title, status, message, error);
        _retryAfterSeconds = retryAfterSeconds;
    }

    public bool Ok { get; }

    [Description("The code of this kind of problem: the last part of type.")]
    public string Error { get; }

    [Description("The same as detail.")]
    public string Message => Detail!;

    public static Problem InvalidBody(string message) => new(400, "invalid_body", "Invalid body", message);

    /// <summary>For an answer that has a status and no body yet: what routing, authentication and Kestrel have refused.</summary>
    public static Problem OfStatus(int status) => status switch
    {
        400 => InvalidBody("There is no body, or it could not be read. Send a JSON object."),
        401 => new(401, "unauthorized", "Unauthorized", "Send the token of a team: Authorization: Bearer …"),
        404 => new(404, "not_found", "Not found", "There is nothing at this path."),
        405 => new(
            405, "method_not_allowed", "Method not allowed", "This path does not take this method; the header Allow says which it takes."),
        413 => BodyTooLarge,
        // The contract has one code and status for a bad body.
        415 => InvalidBody("Send JSON in UTF-8, and say so: Content-Type: application/json."),
        < 500 => new(status, "invalid_request", "Invalid request", "The request could not be understood."),
        _ => Internal,
    };

    public Task ExecuteAsync(HttpContext httpContext)
    {
        httpContext.Response.StatusCode = Status!.Value;
        if (_retryAfterSeconds is { } seconds)
        {
            httpContext.Response.Headers.RetryAfter = seconds.ToString(CultureInfo.InvariantCulture);
        }

        return httpContext.Response.WriteAsJsonAsync(this, options: null, ContentType);
    }
}
