using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace StackEnv.Samples.Api.Tests.Infrastructure;

/// <summary>
/// Requests and their answers as text: status, the headers that matter, and the body. What differs at each run is replaced.
/// </summary>
public sealed partial class Transcript
{
    private static readonly JsonSerializerOptions Readable =
        new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly string[] Headers = ["Content-Type", "Location", "Retry-After", "WWW-Authenticate", "Allow", "Accept-Patch"];

    private readonly StringBuilder _text = new();

    /// <summary>Sends a request; a body goes as JSON unless <paramref name="mediaType"/> says otherwise.</summary>
    public async Task<HttpResponseMessage> SendAsync(
        HttpClient client, string method, string path, string? body = null, string? mediaType = "application/json; charset=utf-8")
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path, UriKind.Relative));
        if (body is not null)
        {
            request.Content = new StringContent(body);
            request.Content.Headers.ContentType = mediaType is null ? null : MediaTypeHeaderValue.Parse(mediaType);
        }

        return await SendAsync(client, request, body);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpClient client, HttpRequestMessage request, string? shownBody)
    {
        var response = await client.SendAsync(request);
        await AddAsync(response, shownBody);
        return response;
    }

    /// <summary>Notes an answer that came already.</summary>
    public async Task AddAsync(HttpResponseMessage response, string? requestBody)
    {
        var request = response.RequestMessage!;
        _text.Append(CultureInfo.InvariantCulture, $"{request.Method} {request.RequestUri!.PathAndQuery}").Append('\n');
        if (requestBody is not null)
        {
            _text.Append(
                request.Content!.Headers.ContentType?.ToString() is null or "application/json" or "application/json; charset=utf-8"
                    ? ""
                    : $"Content-Type: {request.Content.Headers.ContentType}\n");
            _text.Append(requestBody).Append('\n');
        }

        _text.Append(CultureInfo.InvariantCulture, $"→ {(int)response.StatusCode}").Append('\n');
        foreach (var name in Headers)
        {
            if (response.Headers.TryGetValues(name, out var values) || response.Content.Headers.TryGetValues(name, out values))
            {
                _text.Append(CultureInfo.InvariantCulture, $"{name}: {string.Join(", ", values)}").Append('\n');
            }
        }

        var body = await response.Content.ReadAsStringAsync();
        _text.Append(body.Length == 0 ? "" : Indent(body)).Append("\n\n");
    }

    public override string ToString() => Time().Replace(Uuid().Replace(_text.ToString(), "{uuid}"), "{time}");

    private static string Indent(string body)
    {
        using var document = JsonDocument.Parse(body);
        return JsonSerializer.Serialize(document, Readable);
    }

    [GeneratedRegex("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Uuid();

    [GeneratedRegex(@"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture)]
    private static partial Regex Time();
}
