using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace StackEnv.Samples.Api.Tests.Infrastructure;

public static class JsonHttp
{
    public static Task<HttpResponseMessage> PatchEnvAsync(
        this HttpClient client, string slug, string body, CancellationToken cancellationToken = default) =>
        client.PatchAsync(new Uri($"/stacks/{slug}/env", UriKind.Relative), Content(body), cancellationToken);

    public static StringContent Content(string body) => new(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json"));

    public static async Task<JsonElement> JsonAsync(this HttpResponseMessage response)
    {
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return document.RootElement.Clone();
    }

    public static async Task<string> ErrorAsync(this HttpResponseMessage response) =>
        (await response.JsonAsync()).GetProperty("error").GetString()!;
}
