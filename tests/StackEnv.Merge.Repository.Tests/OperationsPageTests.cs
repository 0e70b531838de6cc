using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace StackEnv.Merge.Repository.Tests;

/// <summary>
/// Every metric, label, outcome and log event that the page about operations and its dashboard name exists.
/// </summary>
public sealed partial class OperationsPageTests : DatabaseTest
{
    private static readonly Document Page = new("docs/operations.md");
    private static readonly string Dashboard = File.ReadAllText(Path.Combine(Document.Root, "docs", "grafana-dashboard.json"));

    [Fact]
    public async Task Every_metric_and_label_exists_under_its_name_in_Prometheus()
    {
        var (metrics, labels) = await PublishedAsync();

        foreach (var text in new[] { Page.Text, Dashboard })
        {
            var named = PrometheusName().Matches(text).Select(static match => match.Value).ToHashSet();

            Assert.Empty(named.Except(metrics).Except(labels));
            Assert.Superset(
                metrics.Where(static name => name.StartsWith("stackenv_", StringComparison.Ordinal)).Select(WithoutSuffix).ToHashSet(),
                named.Select(WithoutSuffix).ToHashSet());
        }
    }

    [Fact]
    public void Every_outcome_that_is_asked_for_is_one_that_is_listed()
    {
        var listed = Code().Matches(OutcomeList().Match(Page.Text).Value).Select(static match => match.Groups["code"].Value).ToHashSet();

        Assert.Equal(
            [
                .. Failures.All.Select(static failure => failure.ErrorCode), "committed", "committed_anomaly", "unchanged", "cancelled",
                "error",
            ],
            listed);
        Assert.Subset(listed, OutcomeFilter().Matches(Page.Text + Dashboard).SelectMany(
            static match => match.Groups["outcomes"].Value.Split('|')).ToHashSet());
    }

    [Fact]
    public void The_table_of_log_events_is_complete()
    {
        var events = typeof(StackEnvMerger).Assembly.GetType("StackEnv.Merge.Diagnostics.Log", throwOnError: true)!
            .GetMethods(BindingFlags.Static | BindingFlags.Public)
            .Select(static method => (method.Name, Event: method.GetCustomAttribute<LoggerMessageAttribute>()!))
            .OrderBy(static entry => entry.Event.EventId)
            .Select(static entry => string.Create(
                CultureInfo.InvariantCulture, $"| {entry.Event.EventId} | `{entry.Name}` | {entry.Event.Level} |"));

        Assert.Equal(events, EventRow().Matches(Page.Text).Select(static match => match.Value));
    }

    [Fact]
    public void The_dashboard_can_be_imported_with_a_data_source_that_is_asked_for()
    {
        var dashboard = JsonNode.Parse(Dashboard)!;

        Assert.Equal("StackEnv.Merge", (string?)dashboard["title"]);
        Assert.Equal(
            ("datasource", "prometheus"),
            ((string?)dashboard["templating"]!["list"]![0]!["name"], (string?)dashboard["templating"]!["list"]![0]!["query"]));
        Assert.All(dashboard["panels"]!.AsArray().SelectMany(static panel => panel!["targets"]!.AsArray()), static target =>
        {
            Assert.NotEmpty((string)target!["expr"]!);
            Assert.Equal("${datasource}", (string?)target["datasource"]!["uid"]);
        });
    }

    [Fact]
    public void The_readmes_table_of_errors_has_every_exception_with_its_code()
    {
        var rows = ErrorRow().Matches(new Document("README.md").Text).Select(
            static row => (row.Groups["type"].Value, row.Groups["code"].Value));

        Assert.Equal(Failures.All.Select(static failure => (failure.GetType().Name, failure.ErrorCode)), rows);
    }

    // As in https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics: units in words, those in braces dropped.
    private async Task<(HashSet<string> Metrics, HashSet<string> Labels)> PublishedAsync()
    {
        var metrics = new HashSet<string>(StringComparer.Ordinal);
        var labels = new HashSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name is "StackEnv.Merge" or "Npgsql")
                {
                    listener.EnableMeasurementEvents(instrument);
                    var name = Prometheus(instrument.Name) + (instrument.Unit is "s" ? "_seconds" : "");
                    lock (metrics)
                    {
                        metrics.UnionWith(instrument switch
                        {
                            Histogram<double> or Histogram<int> => [name, $"{name}_count", $"{name}_sum", $"{name}_bucket"],
                            Counter<long> => [$"{name}_total"],
                            _ => [name],
                        });
                    }
                }
            },
        };
        void Note(ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            lock (labels)
            {
                foreach (var (name, _) in tags)
                {
                    labels.Add(Prometheus(name));
                }
            }
        }

        listener.SetMeasurementEventCallback<double>((_, _, tags, _) => Note(tags));
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => Note(tags));
        listener.SetMeasurementEventCallback<int>((_, _, tags, _) => Note(tags));
        listener.Start();
        await Database.Merger.MergeAsync(await Database.InsertAsync(), Changes(("A", "1")));
        listener.RecordObservableInstruments();
        return (metrics, labels);
    }

    private static string Prometheus(string name) => name.Replace('.', '_');

    private static string WithoutSuffix(string metric) => Suffix().Replace(metric, "");

    [GeneratedRegex(@"\b(stackenv_merge|db_client)_[a-z_]+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex PrometheusName();

    [GeneratedRegex("_(count|sum|bucket)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Suffix();

    [GeneratedRegex(@"stackenv_merge_outcome=~?\\?""(?<outcomes>[a-z_|]+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex OutcomeFilter();

    [GeneratedRegex(@"^Outcomes are [^.]+", RegexOptions.Multiline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex OutcomeList();

    [GeneratedRegex("`(?<code>[a-z_]+)`", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex Code();

    [GeneratedRegex(@"^\| \d+ \| `\w+` \| \w+ \|", RegexOptions.Multiline, matchTimeoutMilliseconds: 10_000)]
    private static partial Regex EventRow();

    [GeneratedRegex(
        @"^\| `(?<type>\w+Exception)` \| `(?<code>\w+)` \|",
        RegexOptions.Multiline | RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 10_000)]
    private static partial Regex ErrorRow();
}
