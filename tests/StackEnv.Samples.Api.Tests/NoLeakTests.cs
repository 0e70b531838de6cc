using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Logging.Testing;

namespace StackEnv.Samples.Api.Tests;

/// <summary>
/// A planted secret goes in every way, and never appears in an answer, a log line or a span, whatever happens to the request.
/// </summary>
public sealed class NoLeakTests : ApiTest
{
    private const string Secret = "pl4nted-s3cret";

    [Fact]
    public async Task A_secret_appears_nowhere()
    {
        var seen = new StringBuilder();
        var statuses = new HashSet<HttpStatusCode>();
        var stored = $$$"""{"TOKEN": "{{{Secret}}}", "OTHER": "postgres://u:{{{Secret}}}@h"}""";
        await InsertAsync("shop", stored);
        await InsertAsync("going", stored, status: "deleting");
        await InsertAsync("theirs", stored, team: GlobexTeam);
        await InsertAsync("broken", $"[\"{Secret}\"]");
        var locked = await InsertAsync("locked", stored);
        using var logs = new FakeLoggerProvider();
        using var spans = ListenToSpans(seen);
        await using var api = await RunningApi.StartAsync(Database.ConnectionString, logs, "--StackEnvMerge:LockTimeout=00:00:00.5");

        async Task PatchAsync(string slug, string env, HttpClient? client = null) =>
            await NoteAsync((client ?? api.Acme).PatchEnvAsync(slug, env));
        async Task GetAsync(string path) => await NoteAsync(api.Acme.GetAsync(new Uri(path, UriKind.Relative)));
        async Task NoteAsync(Task<HttpResponseMessage> sending)
        {
            var answer = await sending;
            statuses.Add(answer.StatusCode);
            var body = await answer.Content.ReadAsStringAsync();
            lock (seen)
            {
                seen.Append(answer).AppendLine(body);
            }
        }

        const string changes = $$$"""{"env": {"TOKEN": "{{{Secret}}}-new", "MORE": "https://u:{{{Secret}}}@h"}}""";
        foreach (var slug in new[] { "shop", "going", "theirs", "broken", "none" })
        {
            await PatchAsync(slug, changes);
            await GetAsync($"/stacks/{slug}/env");
        }

        await PatchAsync("shop", changes, api.Anonymous);
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": "{{{Secret}}}", "bad key": "{{{Secret}}}"}}""");
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": "{{{Secret}}}\u0000"}}""");
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": "{{{Secret}}}\ud800"}}""");
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": "{{{Secret}}}", "TOKEN": "{{{Secret}}}"}}""");
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": "{{{Secret}}}" "{{{Secret}}}"}}""");
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": ["{{{Secret}}}"]}}""");
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": {{{Secret}}}}}""");
        await PatchAsync("shop", $$$"""{"env": {"TOKEN": "{{{Secret}}}{{{new string('x', 70_000)}}}"}}""");
        await using (await Database.LockAsync(locked))
        {
            await PatchAsync("locked", changes);
        }

        // Makes PostgreSQL itself quote the set, in its message, its detail and its context.
        await Database.ExecuteAsync(
            "CREATE FUNCTION act() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the set is %', NEW.env_vars USING " +
            "DETAIL = NEW.env_vars::text; END $$");
        await Database.ExecuteAsync("CREATE TRIGGER act BEFORE UPDATE ON stacks FOR EACH ROW EXECUTE FUNCTION act()");
        await PatchAsync("locked", changes);

        var said = string.Join('\n', logs.Collector.GetSnapshot().Select(static record =>
            $"{record} {record.Exception} {string.Join(' ', record.StructuredState ?? [])}"));
        string all;
        lock (seen)
        {
            all = seen.AppendLine(said).ToString();
        }

        Assert.Equal([200, 400, 401, 404, 409, 413, 500, 503], statuses.Select(static status => (int)status).Order());
        Assert.Contains("stackenv.merge.outcome=committed", all, StringComparison.Ordinal);
        Assert.Contains("keys_deleted", all, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, all, StringComparison.Ordinal);
    }

    private static ActivityListener ListenToSpans(StringBuilder seen)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = static source => source.Name is "StackEnv.Merge" or "Microsoft.AspNetCore",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (seen)
                {
                    seen.Append(CultureInfo.InvariantCulture, $"{span.DisplayName} {span.StatusDescription} ")
                        .AppendJoin(' ', span.TagObjects.Select(static tag => $"{tag.Key}={tag.Value}"))
                        .AppendJoin(
                            ' ', span.Events.SelectMany(static @event => @event.Tags.Select(static tag => $"{tag.Key}={tag.Value}")))
                        .AppendLine();
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}
