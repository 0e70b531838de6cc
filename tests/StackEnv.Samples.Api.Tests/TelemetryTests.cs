using System.Diagnostics;

namespace StackEnv.Samples.Api.Tests;

/// <summary>A user who looks at a trace sees the merge inside the request.</summary>
public sealed class TelemetryTests : ApiTest
{
    [Fact]
    public async Task The_merges_span_is_inside_the_requests()
    {
        await InsertAsync("shop");
        var trace = ActivityTraceId.CreateRandom();
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = static _ => true,
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                if (span.TraceId == trace)
                {
                    lock (spans)
                    {
                        spans.Add(span);
                    }
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var request = new HttpRequestMessage(HttpMethod.Patch, new Uri("/stacks/shop/env", UriKind.Relative))
        {
            Content = JsonHttp.Content("""{"env": {"A": "1"}}"""),
        };
        using (var caller = new Activity("caller").SetIdFormat(ActivityIdFormat.W3C))
        {
            caller.SetParentId(trace, ActivitySpanId.CreateRandom(), ActivityTraceFlags.Recorded).Start();
            await Api.Acme.SendAsync(request);
        }

        // The server's span ends a moment after the client has the answer.
        SpinWait.SpinUntil(() => Find("Microsoft.AspNetCore") is not null, TimeSpan.FromSeconds(20));

        var server = Find("Microsoft.AspNetCore")!;
        var merge = Find("StackEnv.Merge")!;
        Assert.Equal(("PATCH /stacks/{slug}/env", "stackenv.merge"), (server.DisplayName, merge.DisplayName));
        Assert.Equal(server.SpanId, merge.ParentSpanId);
        Assert.Equal(merge.SpanId, Find("Npgsql", static span => span.Parent?.OperationName is "stackenv.merge")!.ParentSpanId);

        Activity? Find(string source, Func<Activity, bool>? which = null)
        {
            lock (spans)
            {
                return spans.Find(
                    span => string.Equals(span.Source.Name, source, StringComparison.Ordinal) && (which is null || which(span)));
            }
        }
    }
}
